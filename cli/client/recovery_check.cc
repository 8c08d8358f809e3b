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
    return absl::OkStatus();
  }
  if (!has_state_) return Incomplete("the stream did not begin with the region's state");
  if (message.has_records()) return TakeRecords(message.records());
  if (message.has_summary()) {
    has_summary_ = true;
    return CompareSummary(message.summary());
  }
  return absl::OkStatus();
}

absl::Status RecoveryCheck::TakeRecords(const v1::RecoveredRecords& records) {
  has_records_ = true;
  for (const v1::TableRecord& record : records.records()) {
    uint64_t& last = last_sequences_[record.table_id()];
    if (record.sequence() <= last) {
      return Incomplete(absl::StrCat("table ", record.table_id(), " is out of order: sequence ",
                                     record.sequence(), " came after ", last));
    }
    last = record.sequence();
    counted_.set_records(counted_.records() + 1);
    counted_.set_payload_bytes(counted_.payload_bytes() + record.payload().size());
  }
  counted_.set_tables(last_sequences_.size());
  return absl::OkStatus();
}

absl::Status RecoveryCheck::CompareSummary(const v1::RecoverSummary& told) const {
  if (told.records() == counted_.records() && told.payload_bytes() == counted_.payload_bytes() &&
      told.tables() == counted_.tables()) {
    return absl::OkStatus();
  }
  return Incomplete(absl::StrCat(
      "the summary says ", Counted(told.records(), "record"), ", ", told.payload_bytes(),
      " bytes, ", Counted(told.tables(), "table"), ", but ", Counted(counted_.records(), "record"),
      ", ", counted_.payload_bytes(), " bytes, ", Counted(counted_.tables(), "table"), " came"));
}

absl::Status RecoveryCheck::Finish() const {
  return has_summary_ ? absl::OkStatus()
                      : Incomplete("the stream ended without its summary: something is missing");
}

}  // namespace walden::cli
