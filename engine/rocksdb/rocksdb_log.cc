#include "engine/rocksdb/rocksdb_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/append_checks.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/keys/table_seek.h"
#include "engine/rocksdb/options/rocksdb_errors.h"
#include "engine/rocksdb/rocksdb_reader.h"

namespace walden::rocks {

absl::Status RocksdbLog::Health() const {
  const absl::Status health = space_->database.Health(generation_);
  // A full disk is no failure: appends resume by themselves.
  return absl::IsResourceExhausted(health) ? absl::OkStatus() : health;
}

namespace {

// Attempts to write a mark. Each goes on in a new opening of RocksDB, which writes the records in
// memory to a table file or leaves them in the log.
constexpr int kMarkAttempts = 5;

}  // namespace

void RocksdbLog::MarkDeleted(std::vector<TableMark> marks, std::optional<uint64_t> region_version,
                             DoneWith<std::vector<SequenceNumber>> done) {
  operations_.Add<absl::StatusOr<std::vector<SequenceNumber>>>(
      [this, marks = std::move(marks), region_version] {
        return MarkDeletedNow(marks, region_version);
      },
      std::move(done));
}

absl::StatusOr<std::vector<SequenceNumber>> RocksdbLog::MarkDeletedNow(
    absl::Span<const TableMark> marks, std::optional<uint64_t> region_version) {
  // On a full disk the reserve makes room for the marks, and for reclaiming what they delete.
  bool is_short = refused_for_room_ || absl::IsResourceExhausted(space_->database.CheckRoom(0));
  if (is_short) space_->database.SpendReserve();
  absl::Status status = space_->database.Health(generation_);
  if (absl::IsResourceExhausted(status)) status = Resume();
  if (status.ok()) {
    status = CheckFence(region_version, region_version_.load(std::memory_order_relaxed));
  }
  if (!status.ok()) return status;
  // Steps that may fail and leave nothing come before the write.
  std::vector<RaisedMark> raises;
  std::vector<SequenceNumber> made;
  for (const TableMark& mark : marks) {
    const absl::StatusOr<std::optional<RaisedMark>> raise = PlanMark(mark);
    if (!raise.ok()) return WithMetadata(raise.status(), "table_id", absl::StrCat(mark.table));
    if (*raise) raises.push_back(**raise);
    made.push_back(*raise ? (*raise)->through : tables_->Position(mark.table).deleted_through);
  }
  for (int attempt = 1;; ++attempt) {
    BeginGroup();
    status = Fence(region_version);
    if (status.ok()) status = WriteMarks(raises);
    if (!absl::IsResourceExhausted(status) || attempt == kMarkAttempts) break;
    // A RocksDB thread found no room for a table file. The marks were not written.
    space_->database.SpendReserve();
    status = Resume();
    if (!status.ok()) break;
  }
  if (!status.ok()) return status;
  is_short |= !space_->database.CheckQuota().ok();
  for (const RaisedMark& raise : raises) {
    // Readers get the mark first, so that no compaction removes a record that they take for live.
    const uint64_t bytes =
        tables_->RaiseMark(raise.table, raise.through, raise.first_live, raise.passed.oldest);
    space_->marks->Raise({region_, raise.table, raise.through});
    Reclaim(raise.table, bytes, is_short);
  }
  if (!raises.empty()) space_->database.RestoreReserve();
  return made;
}

absl::StatusOr<std::optional<RocksdbLog::RaisedMark>> RocksdbLog::PlanMark(
    const TableMark& mark) const {
  const std::optional<PublishedTable> published = tables_->Find(mark.table);
  RaisedMark raise{.table = mark.table,
                   .through = published ? std::min(mark.through, published->last) : 0};
  if (raise.through <= tables_->Position(mark.table).deleted_through) return std::nullopt;
  const absl::StatusOr<SequenceNumber> first_live = FirstLiveAbove(mark.table, raise.through);
  if (!first_live.ok()) return first_live.status();
  raise.first_live = *first_live;
  absl::StatusOr<PassedTimes> passed = TimesPassed(mark.table, *first_live);
  if (!passed.ok()) return passed.status();
  raise.passed = *std::move(passed);
  return raise;
}

absl::Status RocksdbLog::WriteMarks(const std::vector<RaisedMark>& raises) {
  if (raises.empty()) return fence_staged_ ? WriteStaged(/*sync=*/true) : absl::OkStatus();
  absl::MutexLock lock(&space_->shared_keys_mutex);
  for (const RaisedMark& raise : raises) {
    for (const std::string& key : raise.passed.keys) batch_.Delete(key);
    const Entry own =
        TableEntry({region_, raise.table, tables_->Find(raise.table)->kind, raise.through});
    batch_.Put(own.key, own.value);
    space_->PutMaxSeq(batch_, raise.table, raise.through);
  }
  return WriteStaged(/*sync=*/true);
}

absl::StatusOr<SequenceNumber> RocksdbLog::FirstLiveAbove(TableId table,
                                                          SequenceNumber through) const {
  SequenceNumber first_live = 0;
  if (tables_->Find(table)->last <= through) return first_live;
  const absl::Status status = space_->database.With([&](rocksdb::DB& db) {
    return FirstRecordAbove(db, {space_->id, region_, table, through},
                            space_->database.shown_directory(), &first_live);
  });
  if (status.ok()) return first_live;
  // Reads report the damage; the mark does not depend on it.
  if (absl::IsDataLoss(status)) return through + 1;
  return status;
}

void RocksdbLog::Reclaim(TableId table, uint64_t bytes, bool is_short) {
  Reclaimer& reclaimer = space_->reclaimer;
  const RocksdbTuning& tuning = space_->database.environment().tuning;
  const uint64_t worth = std::min(tuning.write_buffer_bytes, tuning.reserve_bytes) / 4;
  const bool is_urgent = is_short && reclaimer.waiting_bytes() + bytes >= worth;
  reclaimer.Marked(region_, table, bytes, is_urgent);
  // The mark is durable. Reclaiming is tried again with the next mark.
  if (is_urgent && !reclaimer.has_background()) (void)reclaimer.Run(ReclaimEffort::kWorthIt);
}

void RocksdbLog::Sync(Done done) {
  operations_.Add<absl::Status>([this] { return SyncNow(); }, std::move(done));
}

absl::Status RocksdbLog::SyncNow() {
  absl::Status status = space_->database.Health(generation_);
  if (absl::IsResourceExhausted(status) && has_unsynced_) status = Resume();
  if (!status.ok() || unsynced_appends_ == 0) return status;
  BeginGroup();
  return WriteStaged(/*sync=*/true);
}

void RocksdbLog::NoteDurable(Done done) {
  operations_.Add<absl::Status>([this] { return NoteDurableNow(); }, std::move(done));
}

absl::Status RocksdbLog::NoteDurableNow() {
  const absl::Status status = space_->database.Health(generation_);
  if (!status.ok() || HasUnsynced()) return status;
  return space_->database.NoteDurable(generation_);
}

void RocksdbLog::Close(Done done) {
  operations_.Add<absl::Status>([this] { return CloseNow(); }, std::move(done));
}

absl::Status RocksdbLog::CloseNow() {
  FinishNumbers();
  absl::Status status = space_->database.Health(generation_);
  if (absl::IsResourceExhausted(status) && has_unsynced_) status = Resume();
  if (absl::IsResourceExhausted(status) && has_unsynced_) return status;
  if (!status.ok()) return absl::OkStatus();
  if (!reserved_tables_.empty()) {
    absl::MutexLock lock(&space_->shared_keys_mutex);
    // No number above the last assigned one was given out, so the rest of the reservation is
    // returned.
    rocksdb::WriteBatch batch = space_->database.NewBatch();
    for (const TableId table : reserved_tables_) {
      const Entry entry = ReservedEntry(table, space_->allocator.ReturnReserved(table));
      batch.Put(entry.key, entry.value);
    }
    status = space_->database.Write(generation_, batch, /*sync=*/true);
  }
  if (status.ok()) status = space_->database.NoteAllDurable(generation_);
  // Without room for the note the log is as after a crash, and all of it is durable.
  if (absl::IsResourceExhausted(status)) status = absl::OkStatus();
  has_unsynced_.store(false, std::memory_order_relaxed);
  return status;
}

absl::StatusOr<std::unique_ptr<LogReader>> RocksdbLog::NewReader(const ReadRange& range) const {
  return std::make_unique<RocksdbReader>(space_, region_, tables_, range);
}

// An estimate of the bytes of the region's records in table files and in memory.
uint64_t RocksdbLog::StoredBytes(rocksdb::DB& db) const {
  const std::string begin = RegionBegin(space_->id, region_);
  const std::string end = RegionEnd(space_->id, region_);
  const rocksdb::Range keys(begin, end);
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  uint64_t bytes = 0;
  db.GetApproximateSizes(options, db.DefaultColumnFamily(), &keys, 1, &bytes);
  return bytes;
}

RegionUsage RocksdbLog::Usage() const {
  RegionUsage usage;
  tables_->AddTo(usage, space_->database.environment().wall_clock->UnixMicros());
  space_->database.TryWith([&](rocksdb::DB& db) { usage.allocated_bytes = StoredBytes(db); });
  usage.live_bytes = usage.allocated_bytes;
  return usage;
}

RegionPage RocksdbLog::DescribePage(const DescribeCursor& from, size_t limit) const {
  RegionDescription description;
  if (from.part == DescribeCursor::Part::kTables && limit > 0) {
    // One table more than fits the page, to know whether there is a next page.
    description.tables = tables_->States(from.from, limit == SIZE_MAX ? limit : limit + 1);
  }
  {
    absl::MutexLock lock(&opening_mutex_);
    description.opening = opening_;
  }
  description.region_version = region_version_.load(std::memory_order_relaxed);
  (void)space_->database.With([&](rocksdb::DB& db) {
    description.allocated_bytes = StoredBytes(db);
    return absl::OkStatus();
  });
  description.live_bytes = description.allocated_bytes;
  return PageOf(description, from, limit);
}

std::unique_ptr<TableCut> RocksdbLog::CutTables() const {
  // The tables point to the namespace's numbers.
  const auto owners = std::make_shared<
      std::pair<std::shared_ptr<NamespaceState>, std::shared_ptr<PublishedTables>>>(space_,
                                                                                    tables_);
  return PublishedTables::NewCut({owners, tables_.get()});
}

absl::Status RocksdbLog::Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const {
  return VerifyRegion(*space_, region_, tables_.get(), report);
}

}  // namespace walden::rocks
