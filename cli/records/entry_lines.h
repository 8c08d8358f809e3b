// Row entries as lines, for people and for programs.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "walden/v1/entry.pb.h"

namespace walden::cli {

enum class EntryFormat {
  kValue,     // value
  kKeyValue,  // key<TAB>value
  kVersions,  // sequence<TAB>key<TAB>value, for a tombstone sequence<TAB>key
  kJson,      // every field of Entry by its name; bytes that are not UTF-8 as "..._base64"
};

// One line, with its newline. Any thread.
std::string EntryLine(EntryFormat format, const v1::Entry& entry);

// From a line as kJson makes it; "sequence" is left out, absent fields are as in Entry. BAD_INPUT
// for anything else, without saying where.
absl::StatusOr<v1::Entry> EntryFromJson(absl::string_view line);

}  // namespace walden::cli
