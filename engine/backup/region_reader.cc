#include "engine/backup/region_reader.h"
#include "engine/common/table_cuts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/backup/backup_format.h"
#include "engine/backup/checked_json.h"
#include "engine/backup/data_reader.h"

namespace walden::backup {
namespace {

// The records of one table with numbers from `first` to `last`, run by run.
class BackupTableReader final : public LogReader {
 public:
  BackupTableReader(FileSystem* files, std::string directory,
                    std::shared_ptr<const RunsByTable> runs, const std::vector<PlacedRun>& of_table,
                    TableId table, SequenceNumber first, SequenceNumber last)
      : files_(files),
        directory_(std::move(directory)),
        keeps_runs_(std::move(runs)),
        runs_(of_table),
        table_(table),
        first_(first),
        last_(last) {}

  absl::StatusOr<ReadProgress> Next(const ReadLimits& limits,
                                    absl::FunctionRef<void(const RecordView&)> visit) override {
    size_t records = 0;
    size_t bytes = 0;
    while (run_ < runs_.size()) {
      const Run& run = runs_[run_].run;
      if (in_run_ == run.records || run.last < first_) {
        ++run_;
        in_run_ = 0;
        continue;
      }
      if (run.first > last_) break;
      if (records >= limits.max_records || bytes >= limits.max_payload_bytes) {
        return ReadProgress::kMore;
      }
      RecordView record;
      const absl::Status status = ReadRecord(&record);
      if (!status.ok()) return status;
      if (record.sequence > last_) break;
      if (record.sequence >= first_ && record.payload.size() > limits.max_record_bytes) {
        too_large_bytes_ = record.payload.size();
        too_large_sequence_ = record.sequence;
        return ReadProgress::kTooLarge;
      }
      offset_ += reader_->encoded().size();
      ++in_run_;
      previous_ = record.sequence;
      if (record.sequence < first_) continue;
      ++records;
      bytes += record.payload.size();
      visit(record);
    }
    return ReadProgress::kFinished;
  }

  size_t too_large_bytes() const override { return too_large_bytes_; }
  SequenceNumber too_large_sequence() const override { return too_large_sequence_; }
  void EndHere() override {}  // a backup does not grow

 private:
  absl::Status ReadRecord(RecordView* record) {
    const PlacedRun& placed = runs_[run_];
    if (reader_ == nullptr || file_ != placed.file) {
      auto opened = DataReader::Open(
          files_, absl::StrCat(directory_, "/", DataFileName(placed.file)), UINT64_MAX);
      if (!opened.ok()) return opened.status();
      reader_ = *std::move(opened);
      file_ = placed.file;
    }
    if (in_run_ == 0) offset_ = placed.offset;
    const auto outcome = reader_->ReadAt(offset_, record);
    if (!outcome.ok()) return outcome.status();
    if (*outcome == DataOutcome::kInvalid) {
      return Corrupted(reader_->path(), offset_, reader_->reason());
    }
    if (*outcome == DataOutcome::kEnd || record->table != table_ || record->sequence <= previous_ ||
        record->sequence < placed.run.first || record->sequence > placed.run.last) {
      return Corrupted(reader_->path(), offset_,
                       "the record here is not the one that the manifest names");
    }
    return absl::OkStatus();
  }

  FileSystem* const files_;
  const std::string directory_;
  const std::shared_ptr<const RunsByTable> keeps_runs_;
  const std::vector<PlacedRun>& runs_;
  const TableId table_;
  const SequenceNumber first_;
  const SequenceNumber last_;
  size_t run_ = 0;
  uint64_t in_run_ = 0;  // records of the run that were read
  uint64_t offset_ = 0;
  SequenceNumber previous_ = 0;
  uint64_t file_ = 0;
  std::unique_ptr<DataReader> reader_;
  size_t too_large_bytes_ = 0;
  SequenceNumber too_large_sequence_ = 0;
};

RunsByTable PlaceRuns(const Manifest& manifest) {
  RunsByTable runs;
  for (const TableCopy& table : manifest.tables) runs[table.table];
  for (const DataFile& file : manifest.files) {
    uint64_t offset = kMagicBytes;
    for (const Run& run : file.runs) {
      runs[run.table].push_back({file.number, offset, run});
      offset += run.encoded_bytes();
    }
  }
  return runs;
}

}  // namespace

RegionReader::RegionReader(FileSystem* files, std::string directory, Manifest manifest)
    : files_(files),
      directory_(std::move(directory)),
      manifest_(std::move(manifest)),
      runs_(std::make_shared<RunsByTable>(PlaceRuns(manifest_))) {}

absl::StatusOr<std::unique_ptr<RegionReader>> RegionReader::Open(
    FileSystem* files, const std::string& backup_directory, RegionId region) {
  const std::string directory = RegionDirectory(backup_directory, region);
  auto manifest = ReadManifest(files, directory);
  if (!manifest.ok()) return manifest.status();
  if (manifest->region != region) {
    return Corrupted(absl::StrCat(directory, "/", kManifestFile), 0,
                     absl::StrCat("it is of region ", manifest->region));
  }
  std::unique_ptr<RegionReader> reader(new RegionReader(files, directory, *std::move(manifest)));
  const absl::Status status = reader->FindFirstRecords();
  if (!status.ok()) return status;
  return reader;
}

absl::Status RegionReader::FindFirstRecords() {
  for (const TableCopy& table : manifest_.tables) {
    for (const PlacedRun& placed : runs_->at(table.table)) {
      if (placed.run.last > table.deleted_through) live_bytes_ += placed.run.encoded_bytes();
    }
    const auto reader = NewReader({.table = table.table});
    if (!reader.ok()) return reader.status();
    const auto read = (*reader)->Next({.max_records = 1}, [&](const RecordView& record) {
      first_live_[table.table] = record.sequence;
    });
    if (!read.ok()) return read.status();
  }
  return absl::OkStatus();
}

SequenceNumber RegionReader::NextNumber(TableId table) const { return Position(table).next; }

TablePosition RegionReader::Position(TableId table) const {
  const TableCopy* const copy = manifest_.Find(table);
  if (copy == nullptr) return {};
  const auto first = first_live_.find(table);
  return {.first = first == first_live_.end() ? copy->next : first->second,
          .next = copy->next,
          .deleted_through = copy->deleted_through,
          .kind = copy->kind,
          .last = copy->next - 1};
}

absl::StatusOr<std::unique_ptr<LogReader>> RegionReader::NewReader(const ReadRange& range) const {
  const TableId table = range.table.value_or(0);
  const TableCopy* const copy = manifest_.Find(table);
  static const auto* const kNone = new std::vector<PlacedRun>;
  if (copy == nullptr) {
    return std::make_unique<BackupTableReader>(files_, directory_, runs_, *kNone, table, 1, 0);
  }
  return std::make_unique<BackupTableReader>(files_, directory_, runs_, runs_->at(table), table,
                                             std::max(range.first, copy->deleted_through + 1),
                                             std::min(range.last, copy->next - 1));
}

std::unique_ptr<TableCut> RegionReader::CutTables() const {
  return std::make_unique<UnchangingTableCut>(Describe().tables);
}

RegionPage RegionReader::DescribePage(const DescribeCursor& from, size_t limit) const {
  RegionDescription description{.region_version = manifest_.region_version,
                                .live_bytes = live_bytes_};
  for (const TableCopy& table : manifest_.tables) {
    description.tables.push_back({.table = table.table,
                                  .next = table.next,
                                  .deleted_through = table.deleted_through,
                                  .kind = table.kind});
  }
  for (const TableDamage& damage : manifest_.damage) {
    description.opening.damaged.push_back(damage.range);
  }
  return PageOf(description, from, limit);
}

}  // namespace walden::backup
