// Reads and writes JSON files that people can read and in which every change is noticed: the last
// line is a checksum of the lines before it (backup_format.h). Any thread.
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

// Reads a file. NOT_FOUND if there is none; DATA_LOSS (CORRUPTION) if it is not what was written;
// FAILED_PRECONDITION (UNSUPPORTED_FORMAT) if it has another format or version.
absl::StatusOr<CheckedJson> ReadCheckedJson(
    FileSystem* files, const std::string& path, absl::string_view format,
    FileSystem::OpenMode mode = FileSystem::OpenMode::kReadOnly);

// Replaces the file atomically and durably. `text` is an object from "{" to its last member,
// without the closing brace.
absl::Status WriteCheckedJson(FileSystem* files, const std::string& directory,
                              absl::string_view name, std::string text);

// Gets members of an object. The first member that is missing or of another type makes the error,
// DATA_LOSS (CORRUPTION), which names file and member. After an error all members are 0 or empty.
// One thread.
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

// The hexadecimal form of a checksum in the files.
std::string CrcText(uint32_t crc);
// False if `text` is not such a form.
bool ParseCrcText(absl::string_view text, uint32_t* crc);

// DATA_LOSS (CORRUPTION) with file and offset.
absl::Status Corrupted(const std::string& path, uint64_t offset, absl::string_view what);

}  // namespace walden::backup
