#include "engine/rocksdb/companion/companion_file.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/rocksdb/companion/companion_format.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/wal/wal_repair.h"

namespace walden::rocks {
namespace {

constexpr absl::string_view kCompanionRemedy =
    "Bring the file back from a copy, or let `walden adopt` take the directory as it is";

}  // namespace

absl::StatusOr<std::optional<Companion>> ReadCompanion(FileSystem* files,
                                                       const std::string& directory,
                                                       const std::string& shown_directory) {
  const auto bytes = ReadWholeFile(files, absl::StrCat(directory, "/", kCompanionFile));
  if (absl::IsNotFound(bytes.status())) return std::nullopt;
  if (!bytes.ok()) return bytes.status();
  std::optional<Companion> newest;
  for (size_t slot = 0; slot < kSlotCount && slot * kSlotBytes < bytes->size(); ++slot) {
    auto companion = DecodeSlot(absl::string_view(*bytes).substr(slot * kSlotBytes, kSlotBytes));
    if (companion && (!newest || companion->generation > newest->generation)) newest = companion;
  }
  if (newest) return newest;
  return DamageError({.file = absl::StrCat(shown_directory, "/", kCompanionFile),
                      .length = bytes->size(),
                      .reason = "neither half of it is valid"},
                     kCompanionRemedy);
}

absl::StatusOr<std::unique_ptr<CompanionFile>> CompanionFile::Make(FileSystem* files,
                                                                   const std::string& directory,
                                                                   const Companion& companion) {
  const std::string path = absl::StrCat(directory, "/", kNewCompanionFile);
  absl::Status status = files->RemoveFile(path);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  auto file = files->CreateFile(path);
  if (!file.ok()) return file.status();
  const std::string slot = EncodeSlot(companion);
  status = (*file)->Allocate(kSlotCount * kSlotBytes);
  for (size_t i = 0; i < kSlotCount && status.ok(); ++i) {
    status = (*file)->Write(i * kSlotBytes, {slot});
  }
  if (status.ok()) status = (*file)->SyncData();
  if (status.ok()) status = files->Rename(path, absl::StrCat(directory, "/", kCompanionFile));
  if (status.ok()) status = files->SyncDirectory(directory);
  if (!status.ok()) return status;
  return std::unique_ptr<CompanionFile>(new CompanionFile(*std::move(file)));
}

absl::Status CompanionFile::Write(const Companion& companion) {
  if (!failure_.ok()) return failure_;
  const uint64_t slot = companion.generation % kSlotCount;
  failure_ = file_->Write(slot * kSlotBytes, {EncodeSlot(companion)});
  if (failure_.ok()) failure_ = file_->SyncData();
  return failure_;
}

}  // namespace walden::rocks
