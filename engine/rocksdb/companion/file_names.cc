#include "engine/rocksdb/companion/file_names.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace walden::rocks {
namespace {

constexpr absl::string_view kManifestPrefix = "MANIFEST-";
constexpr absl::string_view kOptionsPrefix = "OPTIONS-";

// Reads the digits off the front; false if there are none.
bool TakeNumber(absl::string_view& rest, uint64_t& number) {
  size_t digits = 0;
  while (digits < rest.size() && absl::ascii_isdigit(rest[digits])) ++digits;
  if (!absl::SimpleAtoi(rest.substr(0, digits), &number)) return false;
  rest.remove_prefix(digits);
  return true;
}

}  // namespace

FileName ParseFileName(absl::string_view name) {
  uint64_t number = 0;
  if (absl::ConsumePrefix(&name, kManifestPrefix)) {
    if (TakeNumber(name, number) && name.empty()) return {FileKind::kManifest, number};
    return {};
  }
  if (absl::ConsumePrefix(&name, kOptionsPrefix)) {
    if (TakeNumber(name, number)) return {FileKind::kNumbered, number};
    return {};
  }
  if (!TakeNumber(name, number)) return {};
  if (name == ".log") return {FileKind::kLog, number};
  if (name == ".sst") return {FileKind::kTable, number};
  if (name == ".dbtmp" || name == ".blob" || name == ".ldb") return {FileKind::kNumbered, number};
  return {};
}

std::string LogName(uint64_t number) { return absl::StrFormat("%06d.log", number); }
std::string TableName(uint64_t number) { return absl::StrFormat("%06d.sst", number); }
std::string ManifestName(uint64_t number) { return absl::StrFormat("MANIFEST-%06d", number); }

uint64_t ManifestOfCurrent(absl::string_view contents) {
  if (!absl::ConsumeSuffix(&contents, "\n")) return 0;
  const FileName name = ParseFileName(contents);
  return name.kind == FileKind::kManifest ? name.number : 0;
}

}  // namespace walden::rocks
