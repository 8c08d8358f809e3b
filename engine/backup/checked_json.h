// JSON files that people can read and that notice every change: the last line is a checksum of
// those before it (backup_format.h). Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/io/file_system.h"
#include "nlohmann/json.hpp"

namespace walden::backup {

using Json = nlohmann::ordered_json;

struct CheckedJson {
  Json object;
  uint32_t crc = 0;  // of the file: equal files have equal ones
};

// NOT_FOUND if it is not there; DATA_LOSS (CORRUPTION) if it is not what was written;
// FAILED_PRECONDITION (UNSUPPORTED_FORMAT) if it is of another format or version.
absl::StatusOr<CheckedJson> ReadCheckedJson(
    FileSystem* files, const std::string& path, absl::string_view format,
    FileSystem::OpenMode mode = FileSystem::OpenMode::kReadOnly);

// `text`: an object from "{" to its last member, without the closing brace. Replaces the file
// atomically and durably.
absl::Status WriteCheckedJson(FileSystem* files, const std::string& directory,
                              absl::string_view name, std::string text);

// Gets members of an object. The first that is missing or of another type is kept as the error,
// DATA_LOSS (CORRUPTION) that names file and member; from then on everything is 0 or empty. One
// thread.
class JsonMembers {
 public:
  explicit JsonMembers(std::string path) : path_(std::move(path)) {}

  uint64_t Number(const Json& object, const char* name,
                  uint64_t max = UINT64_MAX);  // also refuses more than `max`
  std::string Text(const Json& object, const char* name);
  bool Flag(const Json& object, const char* name);
  const Json& Array(const Json& object, const char* name);

  void Refuse(absl::string_view what);
  const absl::Status& status() const { return status_; }

 private:
  const Json* Find(const Json& object, const char* name);

  const std::string path_;
  absl::Status status_;
};

// The hexadecimal form that the files have.
std::string CrcText(uint32_t crc);
// False if it is not one.
bool ParseCrcText(absl::string_view text, uint32_t* crc);

// DATA_LOSS (CORRUPTION) with file and offset.
absl::Status Corrupted(const std::string& path, uint64_t offset, absl::string_view what);

}  // namespace walden::backup
