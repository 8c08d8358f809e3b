#include "engine/rocksdb/options/rocksdb_errors.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "engine/log_errors.h"

namespace walden::rocks {
namespace {

bool IsFileName(absl::string_view name) {
  return absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".log") ||
         absl::StartsWith(name, "MANIFEST-") || name == "CURRENT";
}

// Whether DB::Open failed to open CURRENT: for any such failure it returns an error about its
// options (DBImpl::Recover).
bool IsFailedTrial(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return absl::StrContains(text, "Direct I/O is not supported") ||
         absl::StrContains(text, "options incompatible with filesystem");
}

std::string NumberBehind(absl::string_view text, absl::string_view word) {
  const size_t at = text.find(word);
  if (at == absl::string_view::npos) return "";
  absl::string_view rest = text.substr(at + word.size());
  size_t digits = 0;
  while (digits < rest.size() && absl::ascii_isdigit(rest[digits])) ++digits;
  return std::string(rest.substr(0, digits));
}

}  // namespace

bool IsDamage(const rocksdb::Status& status) {
  // A file that is missing, or that no version of RocksDB wrote, is damage as well.
  return status.IsCorruption() || status.IsPathNotFound() || status.IsNotFound() ||
         (status.IsInvalidArgument() && !IsFailedTrial(status)) || status.IsNotSupported();
}

DamagedRange PlaceOf(const rocksdb::Status& status, absl::string_view shown_directory) {
  DamagedRange place;
  place.reason = status.ToString();
  for (const absl::string_view word : absl::StrSplit(place.reason, absl::ByAnyChar(" ,:;()"))) {
    const absl::string_view name = word.substr(word.rfind('/') + 1);
    if (IsFileName(name)) place.file = absl::StrCat(shown_directory, "/", name);
  }
  // "... in <path>/000012.sst offset 0 size 4023 ..."
  (void)absl::SimpleAtoi(NumberBehind(place.reason, " offset "), &place.offset);
  (void)absl::SimpleAtoi(NumberBehind(place.reason, " size "), &place.length);
  if (place.file.empty()) place.file = std::string(shown_directory);
  return place;
}

absl::Status DamageError(const DamagedRange& damage, absl::string_view remedy) {
  std::string lost;
  if (damage.last != 0) {
    lost = absl::StrCat("; ", LostRecords(damage.first, damage.last), " may be lost");
  }
  return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                   absl::StrCat("stored bytes are damaged: ", damage.file, " at byte ",
                                damage.offset, " (", damage.reason, ")", lost, ". ", remedy),
                   {{"file", damage.file},
                    {"offset", absl::StrCat(damage.offset)},
                    {"length", absl::StrCat(damage.length)},
                    {"first_sequence", absl::StrCat(damage.first)},
                    {"last_sequence", absl::StrCat(damage.last)}});
}

absl::Status FromRocks(const rocksdb::Status& status, absl::string_view what,
                       absl::string_view shown_directory) {
  if (status.ok()) return absl::OkStatus();
  if (IsDamage(status)) {
    return WithContext(
        DamageError(PlaceOf(status, shown_directory),
                    "Bring the file back from a copy, or drop the regions that it held"),
        what);
  }
  const std::string text = absl::StrCat(what, " in ", shown_directory, ": ", status.ToString());
  if (status.IsNoSpace()) {
    return MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kDiskFull, text,
                     {{"directory", std::string(shown_directory)}});
  }
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, text,
                   {{"directory", std::string(shown_directory)}, {"operation", std::string(what)}});
}

}  // namespace walden::rocks
