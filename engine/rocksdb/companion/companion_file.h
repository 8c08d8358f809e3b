// The companion file on disk (companion_format.h). One thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/rocksdb/companion/companion.h"

namespace walden::rocks {

// The newest valid slot of the companion file in `directory`; nullopt if there is no such file.
// DATA_LOSS if the file has no valid slot; it is named below `shown_directory`.
absl::StatusOr<std::optional<Companion>> ReadCompanion(FileSystem* files,
                                                       const std::string& directory,
                                                       const std::string& shown_directory);

class CompanionFile {
 public:
  // Replaces the file by a new one whose slots both hold `companion`, atomically and durably. A
  // file that an earlier process wrote is never written to: a sync of it may have failed.
  static absl::StatusOr<std::unique_ptr<CompanionFile>> Make(FileSystem* files,
                                                             const std::string& directory,
                                                             const Companion& companion);

  // Replaces the older slot, durably. The generation is one above that of the last call. After an
  // error every later call returns that error.
  absl::Status Write(const Companion& companion);

 private:
  explicit CompanionFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  const std::unique_ptr<File> file_;
  absl::Status failure_;
};

}  // namespace walden::rocks
