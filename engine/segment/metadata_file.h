// A region's `metadata` file (metadata_format.h): what must survive that the log itself cannot say.
//
// Appending an entry is durable when the call returns. When the file fills up it is replaced,
// atomically, by one that holds only what still matters. Both the file and its replacement are
// really allocated ahead, so that marks can be written on a full disk. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/io/file_system.h"
#include "engine/segment/metadata_codec.h"
#include "engine/segment/metadata_state.h"

namespace walden::segment {

class MetadataFile {
 public:
  // Writes a new file `directory`/metadata, durably but for the directory itself.
  static absl::StatusOr<std::unique_ptr<MetadataFile>> Create(
      FileSystem* file_system, const std::string& directory, MetadataIdentity identity,
      absl::Span<const MetadataEntry> entries);

  // Replaces what LoadMetadata read of a version 1 file by a file of this version that says
  // `state`. Durable on return; a crash leaves one of the two.
  static absl::StatusOr<std::unique_ptr<MetadataFile>> Upgrade(FileSystem* file_system,
                                                               const std::string& directory,
                                                               MetadataIdentity identity,
                                                               MetadataState state);

  // Opens for appending what LoadMetadata read, and makes it durable: a process that was killed may
  // have left entries that no sync ever reached. Removes a torn entry.
  static absl::StatusOr<std::unique_ptr<MetadataFile>> Open(FileSystem* file_system,
                                                            const std::string& directory,
                                                            LoadedMetadata loaded);

  // Durable on return; a crash before that leaves a prefix of the entries. DISK_FULL: nothing
  // happened, the file is as it was. Any other error: unknown; do not use the file again.
  absl::Status Append(absl::Span<const MetadataEntry> entries);

  const MetadataState& state() const { return state_; }

  // Number of the last write, which is durable.
  uint64_t last_append() const { return last_append_; }

  absl::Status Close() { return file_->Close(); }

 private:
  MetadataFile(FileSystem* file_system, std::string directory, MetadataIdentity identity,
               std::unique_ptr<File> file)
      : file_system_(file_system),
        directory_(std::move(directory)),
        identity_(std::move(identity)),
        file_(std::move(file)) {}

  absl::Status Replace(const MetadataState& state);
  absl::Status PrepareReplacement(uint64_t size);
  std::string Path() const;

  FileSystem* const file_system_;
  const std::string directory_;
  const MetadataIdentity identity_;
  std::unique_ptr<File> file_;
  std::unique_ptr<File> replacement_;  // allocated and empty; null if there was no room
  uint64_t replacement_size_ = 0;
  uint64_t size_ = 0;
  uint64_t end_ = 0;
  uint64_t last_append_ = 0;
  MetadataState state_;
};

}  // namespace walden::segment
