// Verifies a region: reads its table files and RocksDB's write-ahead log again from the medium.
#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/rocksdb/directory/file_check.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/keys/table_seek.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/rocksdb_log.h"
#include "engine/rocksdb/rocksdb_reader.h"
#include "engine/rocksdb/wal/wal_repair.h"
#include "engine/rocksdb/wal/wal_sequence_numbers.h"

namespace walden::rocks {
namespace {

constexpr uint64_t kReportBytes = 4 << 20;

using Report = absl::FunctionRef<bool(const VerifyProgress&)>;

class Verifier {
 public:
  Verifier(const NamespaceState& space, RegionId region, const PublishedTables* tables,
           Report report)
      : space_(space),
        region_(region),
        tables_(tables),
        report_(report),
        shown_(space.database.shown_directory()) {}

  absl::Status Run() {
    absl::Status status = CheckLogged();
    if (!status.ok() || stopped_) return status;
    bool is_open = false;
    status = space_.database.With([&](rocksdb::DB& db) {
      is_open = true;
      const absl::Status checked = CheckTables(db);
      return checked.ok() && !stopped_ ? CheckStored(db) : checked;
    });
    if (!is_open) status = CheckClosed(status);
    if (!status.ok() || stopped_) return status;
    progress_.bytes_total = progress_.bytes_checked;
    Tell();
    return absl::OkStatus();
  }

 private:
  void Tell() {
    progress_.bytes_total = std::max(progress_.bytes_total, progress_.bytes_checked);
    if (!report_(progress_)) stopped_ = true;
    progress_.findings.clear();
    told_at_ = progress_.bytes_checked;
  }

  // Checks RocksDB's write-ahead log, which RocksDB itself reads only at the next opening. A part
  // of a record at its end is a record that is being written.
  absl::Status CheckLogged() {
    const Database::Environment& env = space_.database.environment();
    while (true) {
      WalSequenceNumbers numbers(space_.id, region_);
      const auto scan = ScanWals(env.file_system, env.directory, space_.database.DurableLogs(),
                                 [&](const WalRecord& record) { return numbers.Take(record); });
      if (!scan.ok()) return scan.status();
      progress_.bytes_checked = scan->bytes;
      if (scan->damage.empty()) return absl::OkStatus();
      // A file that RocksDB removed during the scan may look like a gap in the log.
      const auto names = env.file_system->ListDirectory(env.directory);
      if (!names.ok()) return names.status();
      if (!AreThere(scan->files, *names)) continue;
      NoteLogged(*scan, numbers);
      return absl::OkStatus();
    }
  }

  static bool AreThere(const std::vector<std::string>& files,
                       const std::vector<std::string>& names) {
    return std::all_of(files.begin(), files.end(), [&](const std::string& file) {
      return std::find(names.begin(), names.end(), file) != names.end();
    });
  }

  void NoteLogged(const WalScan& scan, WalSequenceNumbers& numbers) {
    if (tables_ != nullptr) numbers.EndsAt(region_, tables_->States(0, SIZE_MAX));
    for (const WalPlace& place : scan.damage) {
      progress_.findings.push_back({.file = absl::StrCat(shown_, "/", place.file),
                                    .offset = place.offset,
                                    .length = place.length,
                                    .first = numbers.first(),
                                    .last = numbers.last(),
                                    .reason = place.reason});
    }
  }

  // Checks the table files that hold records of the region. Reads them from the disk, so that
  // blocks in RocksDB's memory do not hide a damaged or missing file.
  absl::Status CheckTables(rocksdb::DB& db) {
    const Database::Environment& env = space_.database.environment();
    const std::string begin = RegionBegin(space_.id, region_);
    const std::string end = RegionEnd(space_.id, region_);
    std::vector<rocksdb::LiveFileMetaData> files;
    db.GetLiveFilesMetaData(&files);
    for (const rocksdb::LiveFileMetaData& live : files) {
      if (live.largestkey < begin || live.smallestkey >= end || stopped_) continue;
      CheckedFile file = {.name = live.relative_filename, .bytes = live.size};
      const absl::Status status = CheckTableFile(env.env, env.directory, shown_, file);
      if (!status.ok()) return status;
      if (!file.damage.empty() && IsRemovedSince(db, live)) continue;
      for (DamagedRange& damage : file.damage) NoteTable(db, live, std::move(damage));
    }
    return absl::OkStatus();
  }

  // Whether a compaction has replaced the file meanwhile.
  static bool IsRemovedSince(rocksdb::DB& db, const rocksdb::LiveFileMetaData& live) {
    std::vector<rocksdb::LiveFileMetaData> files;
    db.GetLiveFilesMetaData(&files);
    return std::none_of(files.begin(), files.end(), [&](const rocksdb::LiveFileMetaData& file) {
      return file.relative_filename == live.relative_filename;
    });
  }

  // The table that alone has records of the region in the file; none if that is not known.
  std::optional<TableId> OnlyTableIn(const rocksdb::LiveFileMetaData& live) const {
    const auto oldest = DecodeLogKey(live.smallestkey);
    const auto newest = DecodeLogKey(live.largestkey);
    if (oldest && newest && oldest->region == newest->region && oldest->table == newest->table) {
      return oldest->table;
    }
    if (tables_ == nullptr) return std::nullopt;
    std::vector<TableId> within;
    tables_->ForEach([&](TableId table, const PublishedTable&) {
      if (live.largestkey < TableBegin(space_.id, region_, table)) return;
      if (live.smallestkey < TableEnd(space_.id, region_, table)) within.push_back(table);
    });
    return within.size() == 1 ? std::optional<TableId>(within.front()) : std::nullopt;
  }

  void NoteTable(rocksdb::DB& db, const rocksdb::LiveFileMetaData& live, DamagedRange damage) {
    damage.first = 1;
    damage.last = kMaxSequenceNumber;
    damage.table = OnlyTableIn(live);
    if (damage.table) AddLostRecords(db, space_.id, region_, *damage.table, damage);
    found_in_.insert(damage.file);
    progress_.findings.push_back(std::move(damage));
    damaged_ = true;
  }

  absl::Status CheckStored(rocksdb::DB& db) {
    const std::string end = RegionEnd(space_.id, region_);
    std::string begin = RegionBegin(space_.id, region_);
    const rocksdb::Range keys(begin, end);
    uint64_t estimate = 0;
    db.GetApproximateSizes(&keys, 1, &estimate);
    progress_.bytes_total = progress_.bytes_checked + estimate;
    // The states are older than every iterator, so each iterator sees all records that they name,
    // except those that were marked deleted in between.
    std::vector<TableState> states;
    if (tables_ != nullptr) states = tables_->States(0, SIZE_MAX);
    Tell();
    while (!stopped_) {
      BoundedIterator at(db, begin, end);
      for (at->Seek(begin); at->Valid() && !stopped_; at->Next()) {
        const absl::Status status = CheckRecord(at);
        if (!status.ok()) return status;
      }
      if (at->status().ok()) break;
      if (!IsDamage(at->status())) return FromRocks(at->status(), "verifying", shown_);
      begin = PassDamage(db, at->status());
      if (begin.empty()) break;
    }
    return stopped_ || damaged_ ? absl::OkStatus() : CheckEnds(db, states);
  }

  absl::Status CheckRecord(BoundedIterator& at) {
    const auto key = DecodeLogKey(at.key());
    if (!key || !DecodeLogValue(at.value())) return UnknownBytes(at.key(), shown_);
    table_ = key->table;
    last_[key->table] = key->sequence;
    ++progress_.records_checked;
    progress_.bytes_checked += at.key().size() + at.value().size();
    if (progress_.bytes_checked - told_at_ >= kReportBytes) Tell();
    return absl::OkStatus();
  }

  // Notes the damage and returns the key after it; empty if RocksDB does not say where it ends.
  std::string PassDamage(rocksdb::DB& db, const rocksdb::Status& status) {
    DamagedRange damage = PlaceOf(status, shown_);
    const auto seen = last_.find(table_);
    damage.first = seen == last_.end() ? 1 : seen->second + 1;
    damage.last = kMaxSequenceNumber;
    AddLostRecords(db, space_.id, region_, table_, damage);
    std::vector<rocksdb::LiveFileMetaData> files;
    db.GetLiveFilesMetaData(&files);
    std::string behind;
    for (const rocksdb::LiveFileMetaData& file : files) {
      if (absl::StrCat(shown_, file.name) == damage.file) behind = file.largestkey + '\0';
    }
    if (found_in_.insert(damage.file).second) progress_.findings.push_back(std::move(damage));
    damaged_ = true;
    return behind;
  }

  // Checks that the newest record of each table in `states` was found. Numbers before it may be
  // unused.
  absl::Status CheckEnds(rocksdb::DB& db, const std::vector<TableState>& states) {
    for (const TableState& state : states) {
      const auto found = last_.find(state.table);
      const SequenceNumber last = found == last_.end() ? 0 : found->second;
      if (state.last_live == 0 || last >= state.last_live) continue;
      const absl::StatusOr<SequenceNumber> mark = MarkNow(db, state.table);
      if (!mark.ok()) return mark.status();
      if (*mark >= state.last_live) continue;
      progress_.findings.push_back(
          {.file = shown_,
           .first = std::max(last + 1, state.first_live),
           .last = state.last_live,
           .reason = absl::StrCat("the newest records of table ", state.table, " are not there"),
           .table = state.table});
    }
    return absl::OkStatus();
  }

  // The table's mark, at least the one by which a compaction removed records so far.
  absl::StatusOr<SequenceNumber> MarkNow(rocksdb::DB& db, TableId table) const {
    const auto published = tables_->Find(table);
    const SequenceNumber known = published ? published->deleted_through : 0;
    const auto stored = StoredMark(db, region_, table, shown_);
    return stored.ok() ? std::max(known, *stored) : stored;
  }

  // Checks a namespace that cannot be opened because of `closed`, file by file.
  absl::Status CheckClosed(const absl::Status& closed) {
    if (!absl::IsDataLoss(closed)) return closed;
    const absl::Status status = CheckClosedFiles();
    if (!status.ok() || !progress_.findings.empty()) return status;
    // No single file shows the damage: a file is missing, or differs from what was durable.
    const std::optional<ErrorInfo> info = GetErrorInfo(closed);
    DamagedRange damage{.file = shown_, .reason = std::string(closed.message())};
    if (info && info->metadata.contains("file")) damage.file = info->metadata.at("file");
    if (info && info->metadata.contains("offset")) {
      (void)absl::SimpleAtoi(info->metadata.at("offset"), &damage.offset);
    }
    progress_.findings.push_back(std::move(damage));
    return absl::OkStatus();
  }

  absl::Status CheckClosedFiles() {
    const Database::Environment& env = space_.database.environment();
    const auto checked = CheckFiles(env.file_system, env.env, env.directory, shown_, {},
                                    [](uint64_t, uint64_t) { return true; });
    if (!checked.ok()) return checked.status();
    progress_.bytes_checked = 0;
    for (const CheckedFile& file : *checked) {
      progress_.bytes_checked += file.bytes;
      progress_.records_checked += file.entries;
      if (file.name.find(".log") != std::string::npos) continue;  // reported already
      progress_.findings.insert(progress_.findings.end(), file.damage.begin(), file.damage.end());
    }
    return absl::OkStatus();
  }

  const NamespaceState& space_;
  const RegionId region_;
  const PublishedTables* const tables_;
  const Report report_;
  const std::string shown_;
  VerifyProgress progress_;
  std::map<TableId, SequenceNumber> last_;
  std::set<std::string> found_in_;  // files with findings
  TableId table_ = 0;
  uint64_t told_at_ = 0;
  bool damaged_ = false;
  bool stopped_ = false;
};

}  // namespace

absl::Status VerifyRegion(const NamespaceState& space, RegionId region,
                          const PublishedTables* tables,
                          absl::FunctionRef<bool(const VerifyProgress&)> report) {
  return Verifier(space, region, tables, report).Run();
}

}  // namespace walden::rocks
