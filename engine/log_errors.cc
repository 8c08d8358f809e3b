#include "engine/log_errors.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {

absl::Status RecordsGone(std::optional<TableId> table, SequenceNumber first_left) {
  std::string whose = "records of the region";
  if (table) whose = absl::StrCat("records of table ", *table);
  return MakeError(absl::StatusCode::kOutOfRange, ErrorReason::kRecordsGone,
                   absl::StrCat(whose,
                                " were marked deleted before they were read; the first number "
                                "that is left is ",
                                first_left),
                   {{"first_sequence", absl::StrCat(first_left)}});
}

absl::Status MissingFile(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  if (!absl::IsNotFound(status) || !info || !info->metadata.contains("errno")) return status;
  const auto file = info->metadata.find("file");
  return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                   absl::StrCat("a file of the log is missing: ", status.message()),
                   {{"file", file == info->metadata.end() ? "" : file->second}});
}

absl::Status OwnedElsewhere(const std::string& owner) {
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kOwnedElsewhere,
                   owner.empty() ? "the log is not owned here: it has to be acquired first"
                                 : absl::StrCat("the log is owned by ", owner,
                                                ": send the request there, or take the log over "
                                                "with a higher region version"),
                   {{"owner", owner}});
}

std::string LostRecords(SequenceNumber first, SequenceNumber last) {
  if (last == 0) return "no record";
  if (first == last) return absl::StrCat("record ", first);
  return absl::StrCat("records ", first, " to ", last);
}

}  // namespace walden
