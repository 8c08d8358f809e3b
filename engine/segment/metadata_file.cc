#include "engine/segment/metadata_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden::segment {
namespace {

// The error of a write whose entries may be stored or not. A full disk is no exception.
absl::Status InDoubt(const absl::Status& cause) {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, cause.message());
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetadataFile>> MetadataFile::Create(
    FileSystem* file_system, const std::string& directory, MetadataIdentity identity,
    absl::Span<const MetadataEntry> entries) {
  MetadataState state;
  for (const MetadataEntry& entry : entries) state.Apply(entry);
  return Upgrade(file_system, directory, std::move(identity), std::move(state));
}

absl::StatusOr<std::unique_ptr<MetadataFile>> MetadataFile::Upgrade(FileSystem* file_system,
                                                                    const std::string& directory,
                                                                    MetadataIdentity identity,
                                                                    MetadataState state) {
  std::unique_ptr<MetadataFile> metadata(
      new MetadataFile(file_system, directory, std::move(identity), nullptr));
  const absl::Status written = metadata->Replace(state);
  if (!written.ok()) return written;
  metadata->state_ = std::move(state);
  return metadata;
}

absl::StatusOr<std::unique_ptr<MetadataFile>> MetadataFile::Open(FileSystem* file_system,
                                                                 const std::string& directory,
                                                                 LoadedMetadata loaded) {
  auto file = file_system->OpenFile(absl::StrCat(directory, "/", kMetadataFileName),
                                    FileSystem::OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  std::unique_ptr<MetadataFile> metadata(
      new MetadataFile(file_system, directory, *loaded.identity, *std::move(file)));
  metadata->size_ = *size;
  metadata->end_ = loaded.end;
  metadata->last_append_ = loaded.last_append;
  metadata->state_ = std::move(loaded.state);
  loaded.bytes.append(loaded.torn_bytes, '\0');
  absl::Status status = metadata->file_->Write(0, {loaded.bytes});
  if (status.ok()) status = metadata->file_->SyncData();
  if (status.ok()) status = file_system->SyncDirectory(directory);
  if (!status.ok()) return status;
  status = metadata->PrepareReplacement(*size);
  // Without room for it now, the next replacement tries again.
  if (!status.ok() && !absl::IsResourceExhausted(status)) return status;
  return metadata;
}

absl::Status MetadataFile::Append(absl::Span<const MetadataEntry> entries) {
  const std::string bytes = EncodeEntries(entries, last_append_ + 1);
  if (end_ + bytes.size() > size_) {
    MetadataState next = state_;
    for (const MetadataEntry& entry : entries) next.Apply(entry);
    next.DropPastBatches();
    const absl::Status replaced = Replace(next);
    if (replaced.ok()) state_ = std::move(next);
    return replaced;
  }
  absl::Status status = file_->Write(end_, {bytes});
  if (status.ok()) status = file_->SyncData();
  // The next opening would not find entries in a file that was renamed, removed or cut.
  if (status.ok()) status = file_->CheckInPlace(Path(), size_);
  if (!status.ok()) return InDoubt(status);
  end_ += bytes.size();
  ++last_append_;
  for (const MetadataEntry& entry : entries) state_.Apply(entry);
  return absl::OkStatus();
}

std::string MetadataFile::Path() const { return absl::StrCat(directory_, "/", kMetadataFileName); }

absl::Status MetadataFile::PrepareReplacement(uint64_t size) {
  replacement_.reset();
  const std::string path = Path() + ".tmp";
  absl::Status status = file_system_->RemoveFile(path);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  auto file = file_system_->CreateFile(path);
  if (!file.ok()) return file.status();
  status = (*file)->Allocate(size);
  if (!status.ok()) {
    // Best effort: the next attempt removes the file first.
    (void)file_system_->RemoveFile(path);
    return status;
  }
  replacement_ = *std::move(file);
  replacement_size_ = size;
  return absl::OkStatus();
}

absl::Status MetadataFile::Replace(const MetadataState& state) {
  const std::string entries = EncodeEntries(state.AsEntries(), last_append_ + 1);
  const uint64_t needed = kMetadataHeaderBytes + entries.size();
  // The new file is twice as large as its entries, so that replacements stay rare. On a full disk a
  // quarter more than its entries is enough.
  const uint64_t size = std::max<uint64_t>(kMinMetadataBytes, 2 * needed);
  if (replacement_ == nullptr || replacement_size_ < needed + needed / 4) {
    const absl::Status prepared = PrepareReplacement(size);
    if (!prepared.ok()) return prepared;
  }
  const std::string header = EncodeMetadataHeader(identity_, replacement_size_);
  absl::Status status = replacement_->Write(0, {header, entries});
  if (status.ok()) status = replacement_->SyncData();
  if (status.ok()) status = file_system_->Rename(Path() + ".tmp", Path());
  if (status.ok()) status = file_system_->SyncDirectory(directory_);
  // After a failed rename or sync either file may have the name after a crash.
  if (!status.ok()) return InDoubt(status);
  file_ = std::move(replacement_);
  size_ = replacement_size_;
  end_ = needed;
  ++last_append_;
  // Without room for it now, the next replacement tries again.
  (void)PrepareReplacement(size);
  return absl::OkStatus();
}

}  // namespace walden::segment
