#include "cli/client/stream_check.h"

#include "absl/strings/str_cat.h"
#include "cli/console/failure.h"
#include "cli/console/wording.h"

namespace walden::cli {
namespace {

absl::Status StreamIsIncomplete(absl::string_view message) {
  return Failure(absl::StatusCode::kDataLoss, kReasonIncompleteStream, message);
}

}  // namespace

absl::Status StreamCheck::BeginMessage() const {
  return has_summary_ ? StreamIsIncomplete("the stream went on after its summary")
                      : absl::OkStatus();
}

absl::Status StreamCheck::TakeSummary(uint64_t count, uint64_t bytes) {
  has_summary_ = true;
  if (count == count_ && bytes == bytes_) return absl::OkStatus();
  return StreamIsIncomplete(absl::StrCat("the summary says ", Counted(count, noun_), ", ", bytes,
                                         " bytes, but ", Counted(count_, noun_), ", ", bytes_,
                                         " bytes came"));
}

absl::Status StreamCheck::Finish() const {
  if (has_summary_) return absl::OkStatus();
  return StreamIsIncomplete(absl::StrCat("the stream was cut after ", Counted(count_, noun_),
                                         ": it ended without its summary"));
}

}  // namespace walden::cli
