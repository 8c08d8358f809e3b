// Opens a region's part of a backup: finds its records, cuts off those that do not count, makes the
// rest durable.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/backup/backup_format.h"
#include "engine/backup/checked_json.h"
#include "engine/backup/region_writer.h"
#include "engine/io/zeros.h"

namespace walden::backup {
namespace {

constexpr uint64_t kStepBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<RegionWriter>> RegionWriter::Open(RegionTarget target) {
  std::unique_ptr<RegionWriter> writer(new RegionWriter(std::move(target)));
  const absl::Status status = writer->Prepare();
  if (!status.ok()) return status;
  return writer;
}

absl::Status RegionWriter::Prepare() {
  absl::Status status = files_->CreateDirectory(directory_);
  if (status.ok()) status = files_->SyncDirectory(target_.backup_directory);
  if (!status.ok()) return status;
  auto manifest = ReadManifest(files_, directory_);
  has_finished_ = manifest.ok();
  if (has_finished_) {
    manifest_ = *std::move(manifest);
  } else if (!absl::IsNotFound(manifest.status())) {
    return manifest.status();
  }
  status = CheckIdentity();
  return status.ok() ? FindFiles() : status;
}

absl::Status RegionWriter::CheckIdentity() const {
  if (!has_finished_) return absl::OkStatus();
  if (manifest_.namespace_id == target_.identity.namespace_id &&
      manifest_.namespace_name == target_.identity.namespace_name &&
      manifest_.region == target_.region) {
    return absl::OkStatus();
  }
  return WrongBackup(absl::StrCat(
      "its manifest is of region ", manifest_.region, " of namespace ", manifest_.namespace_name,
      " (id ", manifest_.namespace_id, "), not of region ", target_.region, " of ",
      target_.identity.namespace_name, " (id ", target_.identity.namespace_id, ")"));
}

absl::Status RegionWriter::FindFiles() {
  const auto names = files_->ListDirectory(directory_);
  if (!names.ok()) return names.status();
  std::vector<uint64_t> numbers;
  for (const std::string& name : *names) {
    uint64_t number = 0;
    if (ParseNumbered(name, kDataPrefix, &number)) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  absl::Status status = CheckFinished(numbers);
  if (!status.ok()) return status;
  data_ = manifest_.files;
  next_file_ = manifest_.next_file;
  for (const TableCopy& table : manifest_.tables) {
    copied_[table.table] = {table.copied_through, table.copied_crc};
  }
  return ScanUnfinished(numbers);
}

absl::Status RegionWriter::CheckFinished(const std::vector<uint64_t>& numbers) const {
  for (const DataFile& file : manifest_.files) {
    if (!std::binary_search(numbers.begin(), numbers.end(), file.number)) {
      return Corrupted(Path(file.number), 0, "the last copy consists of it too, and it is gone");
    }
    const auto reader = DataReader::Open(files_, Path(file.number), file.bytes);
    if (!reader.ok()) return reader.status();
    if ((*reader)->size() < file.bytes) {
      return Corrupted(
          Path(file.number), (*reader)->size(),
          absl::StrCat("it has ", (*reader)->size(), " bytes, and should have ", file.bytes));
    }
  }
  return absl::OkStatus();
}

absl::Status RegionWriter::ScanUnfinished(const std::vector<uint64_t>& numbers) {
  bool counts = true;
  if (!data_.empty() && data_.back().number + 1 == next_file_) {
    const auto whole = ScanFile(data_.back());
    if (!whole.ok()) return whole.status();
    counts = *whole;
    last_is_open_ended_ = true;
  }
  for (const uint64_t number : numbers) {
    const bool finished = std::any_of(data_.begin(), data_.end(),
                                      [&](const DataFile& f) { return f.number == number; });
    if (finished) continue;
    // A file that an earlier Commit or Open did not come to remove, or that follows a place where
    // records are missing.
    if (number != next_file_ || !counts) {
      const absl::Status status = RemoveFile(number);
      if (!status.ok()) return status;
      continue;
    }
    DataFile file{.number = number};
    const auto whole = ScanFile(file);
    if (!whole.ok()) return whole.status();
    counts = *whole;
    if (file.runs.empty()) {
      const absl::Status status = RemoveFile(number);
      if (!status.ok()) return status;
      counts = false;
    } else {
      data_.push_back(std::move(file));
      next_file_ = number + 1;
      last_is_open_ended_ = true;
    }
  }
  // The removal of later files must be durable before the last file may look whole.
  const absl::Status status = files_->SyncDirectory(directory_);
  return status.ok() && last_is_open_ended_ ? WriteLastAgain() : status;
}

absl::StatusOr<bool> RegionWriter::ScanFile(DataFile& file) {
  const auto reader = DataReader::Open(files_, Path(file.number), UINT64_MAX);
  if (!reader.ok()) return reader.status();
  const uint64_t size = (*reader)->size();
  if (file.bytes == 0) {
    const auto magic = (*reader)->HasMagic();
    if (!magic.ok()) return magic.status();
    if (!*magic) {
      cut_bytes_ += size;
      return false;
    }
    file.bytes = kMagicBytes;
    file.crc = Crc32c(kDataMagic);
  }
  while (true) {
    RecordView record;
    const auto outcome = (*reader)->ReadAt(file.bytes, &record);
    if (!outcome.ok()) return outcome.status();
    if (*outcome == DataOutcome::kEnd) {
      // A power cut may have left zeros in place of records, and records after the zeros. New
      // records that are added up to one of those would hide the gap.
      const auto nothing_behind = (*reader)->NeverWrittenFrom(file.bytes);
      if (!nothing_behind.ok()) return nothing_behind.status();
      if (*nothing_behind) return true;
    }
    if (*outcome != DataOutcome::kRecord || !Note(record, file)) {
      cut_bytes_ += size - file.bytes;
      return false;
    }
    file.bytes += (*reader)->encoded().size();
    file.crc = Crc32cFinish(Crc32cExtend(~file.crc, (*reader)->encoded()));
    ++found_records_;
  }
}

// Writes the last file's records again, and zeros after them: the disk may have none of the bytes
// that were read, since after a failed fsync the kernel takes the pages for clean, and another
// fsync would write nothing. The bytes are compared with the checked ones. Files do not get
// shorter: a file ends where zero bytes begin. Earlier files were synced before the next one was
// begun.
absl::Status RegionWriter::WriteLastAgain() {
  const DataFile& last = data_.back();
  const auto finished = std::find_if(manifest_.files.begin(), manifest_.files.end(),
                                     [&](const DataFile& f) { return f.number == last.number; });
  const bool is_new = finished == manifest_.files.end();
  uint64_t at = is_new ? 0 : finished->bytes;
  uint32_t crc = is_new ? Crc32c("") : finished->crc;
  auto file = files_->OpenFile(Path(last.number), FileSystem::OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  const auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size == at) return absl::OkStatus();
  std::string bytes;
  while (at < last.bytes) {
    bytes.resize(std::min(kStepBytes, last.bytes - at));
    const auto got = (*file)->Read(at, absl::MakeSpan(bytes.data(), bytes.size()));
    if (!got.ok()) return got.status();
    if (*got < bytes.size()) break;
    const absl::Status status = (*file)->Write(at, {bytes});
    if (!status.ok()) return status;
    crc = Crc32cFinish(Crc32cExtend(~crc, bytes));
    at += bytes.size();
  }
  if (at != last.bytes || crc != last.crc) {
    return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                     absl::StrCat((*file)->path(), " changed while it was being read"),
                     {{"file", (*file)->path()}});
  }
  absl::Status status = WriteZeros(**file, last.bytes, *size);
  if (status.ok()) status = (*file)->SyncData();
  return status.ok() ? (*file)->Close() : status;
}

}  // namespace walden::backup
