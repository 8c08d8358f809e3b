#include "cli/client/recovery_check.h"

#include "absl/strings/str_cat.h"
#include "cli/console/failure.h"
#include "cli/console/wording.h"

namespace walden::cli {
namespace {

absl::Status Incomplete(absl::string_view message) {
  return Failure(absl::StatusCode::kDataLoss, kReasonIncomplete, message);
}

}  // namespace

absl::Status RecoveryCheck::Take(const v1::RecoverResponse& message) {
  if (has_summary_) return Incomplete("the stream went on after its summary");
  if (message.has_state()) {
    if (has_records_) return Incomplete("the stream told of the region's state after its records");
    has_state_ = true;
  }
  if (!has_state_) return Incomplete("the stream did not begin with the region's state");
  if (absl::Status taken = TakeRecords(message); !taken.ok() || !message.has_summary())
    return taken;
  has_summary_ = true;
  return CompareSummary(message.summary());
}

absl::Status RecoveryCheck::TakeRecords(const v1::RecoverResponse& message) {
  if (!message.records().empty()) has_records_ = true;
  for (const v1::TableLogRecord& record : message.records()) {
    uint64_t& last = last_sequences_[record.table_id()];
    if (record.sequence() <= last) {
      return Incomplete(absl::StrCat("table ", record.table_id(), " is out of order: sequence ",
                                     record.sequence(), " came after ", last));
    }
    last = record.sequence();
    counted_.set_record_count(counted_.record_count() + 1);
    counted_.set_payload_bytes(counted_.payload_bytes() + record.payload().size());
  }
  counted_.set_table_count(last_sequences_.size());
  return absl::OkStatus();
}

absl::Status RecoveryCheck::CompareSummary(const v1::RecoverSummary& told) const {
  if (told.record_count() == counted_.record_count() &&
      told.payload_bytes() == counted_.payload_bytes() &&
      told.table_count() == counted_.table_count()) {
    return absl::OkStatus();
  }
  return Incomplete(
      absl::StrCat("the summary says ", Counted(told.record_count(), "record"), ", ",
                   told.payload_bytes(), " bytes, ", Counted(told.table_count(), "table"), ", but ",
                   Counted(counted_.record_count(), "record"), ", ", counted_.payload_bytes(),
                   " bytes, ", Counted(counted_.table_count(), "table"), " came"));
}

absl::Status RecoveryCheck::Finish() const {
  return has_summary_ ? absl::OkStatus()
                      : Incomplete("the stream ended without its summary: something is missing");
}

}  // namespace walden::cli
