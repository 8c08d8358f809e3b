#include "engine/backup/region_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/backup/backup_format.h"
#include "engine/common/table_kind.h"
#include "engine/segment/format.h"

namespace walden::backup {
namespace {

uint32_t Extend(uint32_t finished_crc, absl::string_view bytes) {
  return Crc32cFinish(Crc32cExtend(~finished_crc, bytes));
}

bool HoldsLive(const DataFile& file, const Manifest& manifest) {
  return std::any_of(file.runs.begin(), file.runs.end(), [&](const Run& run) {
    const TableCopy* const table = manifest.Find(run.table);
    return table != nullptr && run.last > table->deleted_through;
  });
}

// Joins reports of one damaged place: a daemon may report it once for each record that it hides.
void NoteDamage(const TableDamage& met, std::vector<TableDamage>& noted) {
  for (TableDamage& known : noted) {
    if (known.table == met.table && known.range.file == met.range.file &&
        known.range.offset == met.range.offset && met.range.first <= known.range.last + 1 &&
        known.range.first <= met.range.last + 1) {
      known.range.first = std::min(known.range.first, met.range.first);
      known.range.last = std::max(known.range.last, met.range.last);
      return;
    }
  }
  noted.push_back(met);
}

}  // namespace

RegionWriter::RegionWriter(RegionTarget target)
    : target_(std::move(target)),
      directory_(RegionDirectory(target_.backup_directory, target_.region)),
      files_(target_.file_system) {}

std::string RegionWriter::Path(uint64_t number) const {
  return absl::StrCat(directory_, "/", DataFileName(number));
}

absl::Status RegionWriter::RemoveFile(uint64_t number) { return files_->RemoveFile(Path(number)); }

absl::Status RegionWriter::WrongBackup(absl::string_view what) const {
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongBackup,
                   absl::StrCat(directory_, " is a backup of something else: ", what,
                                ". Back up into another directory"),
                   {{"directory", directory_}});
}

// Notes a record of the file; false if its number is not above those that are here.
bool RegionWriter::Note(const RecordView& record, DataFile& file) {
  Copied& copied = copied_[record.table];
  if (record.sequence <= copied.through || record.sequence > kMaxSequenceNumber) return false;
  copied = {record.sequence, Crc32c(record.payload)};
  if (file.runs.empty() || file.runs.back().table != record.table ||
      file.runs.back().records == UINT32_MAX) {
    file.runs.push_back({.table = record.table, .first = record.sequence});
  }
  Run& run = file.runs.back();
  run.last = record.sequence;
  ++run.records;
  run.payload_bytes += record.payload.size();
  return true;
}

RegionWriter::Copied RegionWriter::CopiedOf(TableId table) const {
  const auto found = copied_.find(table);
  return found == copied_.end() ? Copied{} : found->second;
}

RegionWriter::Copied RegionWriter::FinishedOf(TableId table) const {
  const TableCopy* const found = manifest_.Find(table);
  return found == nullptr ? Copied{} : Copied{found->copied_through, found->copied_crc};
}

absl::Status RegionWriter::CheckContinues(const Cut& cut) const {
  const auto state_of = [&](TableId table) -> const TableState* {
    const auto found =
        std::lower_bound(cut.tables.begin(), cut.tables.end(), table,
                         [](const TableState& state, TableId id) { return state.table < id; });
    return found != cut.tables.end() && found->table == table ? &*found : nullptr;
  };
  if (cut.region_version < manifest_.region_version) {
    return WrongBackup(absl::StrCat("the region version there is ", cut.region_version, ", here ",
                                    manifest_.region_version));
  }
  for (const auto& [table, copied] : copied_) {
    const TableState* const there = state_of(table);
    if (there == nullptr) return WrongBackup(absl::StrCat("there is no table ", table));
    if (there->next <= copied.through) {
      return WrongBackup(absl::StrCat("table ", table, " has come to ", there->next - 1,
                                      " there, and here to ", copied.through,
                                      " (was the region dropped, or did a power cut take BUFFERED "
                                      "records?)"));
    }
    const TableCopy* const before = manifest_.Find(table);
    if (before == nullptr) continue;
    if (there->next < before->next || there->deleted_through < before->deleted_through) {
      return WrongBackup(absl::StrCat("table ", table, " has next number ", there->next,
                                      " and is deleted through ", there->deleted_through,
                                      " there, and here ", before->next, " and ",
                                      before->deleted_through));
    }
    if (there->kind != before->kind) {
      return WrongBackup(absl::StrCat("table ", table, " is ", TableKindName(there->kind),
                                      " there, and here ", TableKindName(before->kind)));
    }
  }
  return absl::OkStatus();
}

absl::Status RegionWriter::CloseFile() {
  if (file_ == nullptr) return absl::OkStatus();
  const absl::Status status = file_->SyncData();
  return status.ok() ? std::exchange(file_, nullptr)->Close() : status;
}

absl::Status RegionWriter::StartFile() {
  absl::Status status = CloseFile();
  if (!status.ok()) return status;
  auto created = files_->CreateFile(Path(next_file_));
  if (!created.ok()) return created.status();
  file_ = *std::move(created);
  data_.push_back({.number = next_file_, .bytes = kMagicBytes, .crc = Crc32c(kDataMagic)});
  ++next_file_;
  last_is_open_ended_ = true;
  status = file_->Write(0, absl::MakeConstSpan(&kDataMagic, 1));
  return status.ok() ? files_->SyncDirectory(directory_) : status;
}

absl::Status RegionWriter::Add(absl::Span<const RecordView> records) {
  if (records.empty()) return absl::OkStatus();
  uint64_t bytes = 0;
  for (const RecordView& record : records) {
    bytes += segment::kMinRecordBytes + record.payload.size();
  }
  const uint64_t limit =
      target_.max_data_file_bytes == 0 ? kMaxDataFileBytes : target_.max_data_file_bytes;
  if (!last_is_open_ended_ || data_.empty() ||
      (!data_.back().runs.empty() && data_.back().bytes + bytes > limit)) {
    const absl::Status status = StartFile();
    if (!status.ok()) return status;
  } else if (file_ == nullptr) {
    auto opened = files_->OpenFile(Path(data_.back().number), FileSystem::OpenMode::kReadWrite);
    if (!opened.ok()) return opened.status();
    file_ = *std::move(opened);
  }
  DataFile& file = data_.back();
  encoder_.Reserve(bytes);
  for (const RecordView& record : records) {
    if (!Note(record, file)) {
      return MakeError(absl::StatusCode::kInternal, ErrorReason::kRestoreOutOfOrder,
                       absl::StrCat("record ", record.sequence, " of table ", record.table,
                                    " came behind record ", CopiedOf(record.table).through),
                       {{"field", "table_id"}, {"value", absl::StrCat(record.table)}});
    }
    encoder_.AddRecord({.table = record.table, .sequence = record.sequence}, record.payload);
    ++added_records_;
    added_payload_bytes_ += record.payload.size();
  }
  const absl::Status status = file_->Write(file.bytes, encoder_.pieces());
  if (!status.ok()) return status;
  for (const absl::string_view piece : encoder_.pieces()) file.crc = Extend(file.crc, piece);
  file_->StartWriteBack(file.bytes, bytes);
  file.bytes += bytes;
  return absl::OkStatus();
}

Manifest RegionWriter::Describe(const Cut& cut) const {
  Manifest manifest{.namespace_id = target_.identity.namespace_id,
                    .namespace_name = target_.identity.namespace_name,
                    .region = target_.region,
                    .engine = cut.engine,
                    .region_version = cut.region_version,
                    .taken_at = cut.taken_at,
                    .exact = cut.exact,
                    .next_file = next_file_};
  for (const TableState& state : cut.tables) {
    const Copied copied = CopiedOf(state.table);
    manifest.tables.push_back({.table = state.table,
                               .kind = state.kind,
                               .next = state.next,
                               .deleted_through = state.deleted_through,
                               .copied_through = copied.through,
                               .copied_crc = copied.crc});
  }
  for (const auto* damage : {&manifest_.damage, &cut.damage}) {
    for (const TableDamage& range : *damage) {
      const TableCopy* const table = manifest.Find(range.table);
      if (table != nullptr && range.range.last > table->deleted_through) {
        NoteDamage(range, manifest.damage);
      }
    }
  }
  for (const DataFile& file : data_) {
    if (HoldsLive(file, manifest)) manifest.files.push_back(file);
  }
  return manifest;
}

absl::Status RegionWriter::Commit(const Cut& cut) {
  absl::Status status = CheckContinues(cut);
  if (status.ok()) status = CloseFile();
  if (!status.ok()) return status;
  Manifest manifest = Describe(cut);
  status = WriteManifest(files_, directory_, manifest);
  if (!status.ok()) return status;
  manifest_ = std::move(manifest);
  has_finished_ = true;
  for (const DataFile& file : data_) {
    if (HoldsLive(file, manifest_)) continue;
    status = RemoveFile(file.number);
    if (!status.ok()) return status;
  }
  return files_->SyncDirectory(directory_);
}

}  // namespace walden::backup
