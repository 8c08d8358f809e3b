// A region's `metadata` file (metadata_format.h). It keeps the facts about a region that its
// segments do not hold.
//
// An appended entry is durable when the call returns. A full file is replaced, atomically, by one
// that holds only what still matters. Both the file and its replacement have their blocks allocated
// ahead, so that marks can be written on a full disk. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/io/file_system.h"
#include "engine/segment/metadata_codec.h"
#include "engine/segment/metadata_state.h"

namespace walden::segment {

// Name of the file inside a region's directory.
inline constexpr absl::string_view kMetadataFileName = "metadata";

class MetadataFile {
 public:
  // Writes a new file `directory`/metadata, durably but for the directory itself.
  static absl::StatusOr<std::unique_ptr<MetadataFile>> Create(
      FileSystem* file_system, const std::string& directory, MetadataIdentity identity,
      absl::Span<const MetadataEntry> entries);

  // Replaces a version 1 file, which LoadMetadata read, by a file of this version that holds
  // `state`. Durable on return; a crash leaves one of the two files.
  static absl::StatusOr<std::unique_ptr<MetadataFile>> Upgrade(FileSystem* file_system,
                                                               const std::string& directory,
                                                               MetadataIdentity identity,
                                                               MetadataState state);

  // Opens the file that LoadMetadata read for appending, removes a torn entry, and makes the rest
  // durable: a killed process may have left entries that no sync reached.
  static absl::StatusOr<std::unique_ptr<MetadataFile>> Open(FileSystem* file_system,
                                                            const std::string& directory,
                                                            LoadedMetadata loaded);

  // Appends the entries as one write. Durable on return; a crash before that leaves a prefix of the
  // entries. After DISK_FULL the file is as it was. After any other error the entries may be stored
  // or not: do not use the file again.
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
