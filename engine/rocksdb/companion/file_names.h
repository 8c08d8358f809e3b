// Parses and makes the names of RocksDB's files. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace walden::rocks {

enum class FileKind {
  kLog,       // 000012.log
  kTable,     // 000012.sst
  kManifest,  // MANIFEST-000012
  kNumbered,  // OPTIONS-000012, 000012.dbtmp and the like: RocksDB opens without them
  kOther,     // no number
};

struct FileName {
  FileKind kind = FileKind::kOther;
  uint64_t number = 0;
};

// `name` is without its directory.
FileName ParseFileName(absl::string_view name);

std::string LogName(uint64_t number);
std::string TableName(uint64_t number);
std::string ManifestName(uint64_t number);

// The number of the manifest that the contents of a CURRENT file name; 0 if they name none.
uint64_t ManifestOfCurrent(absl::string_view contents);

}  // namespace walden::rocks
