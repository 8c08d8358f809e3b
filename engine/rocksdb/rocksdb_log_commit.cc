// Group commit: checks and encodes every batch, writes them, syncs once, then publishes them to
// readers.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/append_checks.h"
#include "engine/common/table_kind.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/keys/producer_keys.h"
#include "engine/rocksdb/rocksdb_log.h"

namespace walden::rocks {
namespace {

// Numbers of BUFFERED appends are reserved this many at a time. So no number that a client saw is
// given out again after a power cut took its record.
constexpr SequenceNumber kReserveNumbers = 1 << 20;

// A larger group is written in portions, so that its encoding does not double its memory.
constexpr uint64_t kPortionBytes = uint64_t{64} << 20;

uint64_t EncodedBytes(const TableAppend& append) {
  uint64_t bytes = 0;
  for (const absl::string_view payload : append.payloads) {
    bytes += kLogKeyBytes + kVersionBytes + payload.size() + 8;
  }
  return bytes;
}

uint64_t EncodedBytes(const AppendBatch& batch) {
  uint64_t bytes = 0;
  for (const TableAppend& append : batch.tables) bytes += EncodedBytes(append);
  return bytes;
}

bool IsNumbered(const AppendBatch& batch) {
  return !batch.tables.empty() && batch.tables[0].first != 0;
}

}  // namespace

void RocksdbLog::BeginGroup() {
  batch_ = space_->database.NewBatch();
  staged_.clear();
  staged_last_.clear();
  room_.reset();
  group_error_ = absl::OkStatus();
  group_is_begun_ = false;
  fence_staged_ = false;
  unsynced_before_group_ = unsynced_appends_;
  group_unix_micros_ = space_->database.environment().wall_clock->UnixMicros();
}

// RocksDB joins the writes of several regions to one sync, which it could not do with writes whose sync
// comes later. So each group is written and synced in its turn, by one call.
void RocksdbLog::Commit(absl::Span<AppendBatch* const> group, std::function<void()> done) {
  operations_.Add<bool>(
      [this, group = std::vector<AppendBatch*>(group.begin(), group.end())] {
        CommitNow(group);
        return true;
      },
      [done = std::move(done)](bool) { done(); });
}

bool RocksdbLog::Work() {
  // No operation is begun before its turn.
  return operations_.Work([](absl::Span<OperationQueue::Operation* const>) -> size_t { return 0; });
}

void RocksdbLog::CommitNow(absl::Span<AppendBatch* const> group) {
  group_bytes_ = 0;
  for (const AppendBatch* batch : group) group_bytes_ += EncodedBytes(*batch);
  const absl::Status ready = ReadyForWrites(group_bytes_);
  if (absl::IsResourceExhausted(ready)) {
    Refuse(group, ready);
    return;
  }
  BeginGroup();
  bool sync = false;
  for (AppendBatch* batch : group) {
    batch->ClearResult();
    batch->result.status = ready.ok() ? Stage(*batch) : ready;
    // Its records may have been written in a portion before the one that failed.
    batch->result.may_be_stored =
        HasReason(batch->result.status, ErrorReason::kRegionFailed) && IsNumbered(*batch);
    if (batch->result.status.ok() && batch->durability == Durability::kSync) sync = true;
  }
  absl::Status status = ready;
  if (status.ok()) {
    sync |= fence_staged_ || unsynced_appends_ >= options_.buffered_sync_every_writes;
    status = WriteStaged(sync);
  }
  if (status.ok()) {
    if (unsynced_appends_ > 0) tables_->NotDurable(staged_);
    tables_->Publish(staged_);
    for (const PublishedTables::Appended& batch : staged_) {
      space_->allocator.RaiseUsed(batch.table, batch.last);
    }
    FinishNumbers();
  } else if (absl::IsResourceExhausted(status)) {
    TakeGroupBack();
  }
  for (AppendBatch* batch : group) {
    if (HasReason(status, ErrorReason::kRegionFailed)) {
      FailBatch(*batch, status);
    } else if (batch->result.status.ok()) {
      if (!status.ok()) batch->ClearResult();
      batch->result.status = status;
      batch->result.durable = unsynced_appends_ == 0;
    }
  }
}

void RocksdbLog::TakeGroupBack() {
  for (auto batch = staged_.rbegin(); batch != staged_.rend(); ++batch) {
    space_->allocator.GiveBack(batch->table, batch->first, batch->last);
  }
  FinishNumbers();
  producers_in_doubt_ = true;
  unsynced_appends_ = unsynced_before_group_;
  has_unsynced_.store(unsynced_appends_ > 0, std::memory_order_relaxed);
}

void RocksdbLog::Refuse(absl::Span<AppendBatch* const> group, const absl::Status& no_room) {
  absl::Status known;
  if (producers_in_doubt_) {
    known = space_->database.With([this](rocksdb::DB& db) { return LoadProducers(db); });
  }
  for (AppendBatch* batch : group) {
    batch->ClearResult();
    batch->result.durable = unsynced_appends_ == 0;
    absl::Status status = CheckFence(batch->region_version, region_version_.load());
    const bool may_be_stored = status.ok() && known.ok() && batch->producer &&
                               (batch->result.durable || batch->durability != Durability::kSync);
    if (may_be_stored && AnswerRetry(producers_, *batch, &status) && batch->result.duplicate) {
      continue;
    }
    batch->ClearResult();
    batch->result.status = status.ok() ? no_room : status;
  }
}

// Ends the numbers under way. After an error this waits until the region is loaded again: until
// then they may be stored or not.
void RocksdbLog::FinishNumbers() {
  for (const auto& [table, first] : under_way_) space_->allocator.Finish(table, first);
  under_way_.clear();
}

absl::Status CheckBatchFits(const AppendBatch& batch) {
  const uint64_t bytes = EncodedBytes(batch);
  if (bytes <= kMaxBatchBytes) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
                   absl::StrCat("the batch takes ", bytes, " bytes, the RocksDB engine takes ",
                                kMaxBatchBytes, ": send smaller batches"),
                   {{"field", "payloads"},
                    {"value", absl::StrCat(bytes)},
                    {"limit", absl::StrCat(kMaxBatchBytes)}});
}

absl::Status RocksdbLog::CheckPositions(const AppendBatch& batch) const {
  for (const TableAppend& append : batch.tables) {
    std::optional<TableKind> kind;
    if (const auto staged = staged_last_.find(append.table); staged != staged_last_.end()) {
      kind = staged->second.kind;
    } else if (const auto published = tables_->Find(append.table)) {
      kind = published->kind;
    }
    absl::Status status = space_->allocator.CheckNext(append);
    if (status.ok()) status = CheckTableKind(append.table, kind, batch.kind);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RocksdbLog::Stage(AppendBatch& batch) {
  absl::Status status = Health();
  if (status.ok()) status = CheckWanted(batch);
  if (status.ok()) status = CheckTables(batch);
  if (status.ok()) status = Fence(batch.region_version);
  if (!status.ok()) return status;
  if (AnswerRetry(producers_, batch, &status)) return status;
  status = CheckBatchFits(batch);
  if (status.ok()) status = CheckPositions(batch);
  if (status.ok()) status = CheckRoom();
  if (!status.ok()) return status;
  if (batch.tables.empty()) {
    Remember(batch);
    ++unsynced_appends_;
    return absl::OkStatus();
  }
  status = Assign(batch);
  if (!status.ok()) return status;
  Encode(batch);
  ++unsynced_appends_;
  return batch_.GetDataSize() < kPortionBytes ? absl::OkStatus() : WriteStaged(/*sync=*/false);
}

// Assigns the numbers of all tables, or of none.
absl::Status RocksdbLog::Assign(AppendBatch& batch) {
  absl::Status status;
  if (batch.tables[0].first_sequence) {
    status = AssignRestored(batch.tables[0]);
  } else {
    status = space_->allocator.Assign(
        batch, [this](TableId table) { return !under_way_.contains(table); });
    if (!status.ok()) return status;
    for (const TableAppend& append : batch.tables) {
      under_way_.try_emplace(append.table, append.first);
    }
  }
  if (batch.durability != Durability::kBuffered) return status;
  for (const TableAppend& append : batch.tables) {
    if (status.ok()) status = Reserve(append.table, append.last);
  }
  if (status.ok()) return status;
  for (TableAppend& append : batch.tables) {
    space_->allocator.GiveBack(append.table, append.first, append.last);
  }
  batch.ClearResult();
  return status;
}

absl::Status RocksdbLog::CheckRoom() {
  if (!room_) {
    room_ = space_->database.CheckRoom(group_bytes_);
    refused_for_room_ = absl::IsResourceExhausted(*room_);
    if (room_->ok()) room_ = space_->database.CheckQuota();
  }
  return *room_;
}

absl::Status RocksdbLog::Fence(std::optional<uint64_t> version) {
  const uint64_t highest = region_version_.load(std::memory_order_relaxed);
  const absl::Status fenced = CheckFence(version, highest);
  if (!fenced.ok() || version.value_or(highest) == highest) return fenced;
  const Entry entry = RegionEntry(region_, *version);
  batch_.Put(entry.key, entry.value);
  region_version_.store(*version, std::memory_order_relaxed);
  fence_staged_ = true;
  return absl::OkStatus();
}

absl::Status RocksdbLog::Reserve(TableId table, SequenceNumber through) {
  if (through <= space_->allocator.Reserved(table)) return absl::OkStatus();
  absl::MutexLock lock(&space_->shared_keys_mutex);
  const SequenceNumber reserved = through + std::min(kReserveNumbers, kMaxSequenceNumber - through);
  rocksdb::WriteBatch batch = space_->database.NewBatch();
  space_->PutReserved(batch, table, reserved);
  const absl::Status status = space_->database.Write(generation_, batch, /*sync=*/true);
  if (!status.ok()) return status;
  space_->allocator.ReservedDurably(table, reserved);
  reserved_tables_.insert(table);
  return absl::OkStatus();
}

void RocksdbLog::Encode(const AppendBatch& batch) {
  for (const TableAppend& append : batch.tables) EncodeTable(append, batch.kind);
  if (batch.producer) Remember(batch);
}

void RocksdbLog::EncodeTable(const TableAppend& append, TableKind kind) {
  const std::optional<TimePoint> time = StageTime(append.table, append.first);
  const char version = static_cast<char>(kValueVersion);
  for (size_t i = 0; i < append.payloads.size(); ++i) {
    const std::string key = EncodeLogKey({space_->id, region_, append.table, append.first + i});
    const rocksdb::Slice key_part(key);
    const rocksdb::Slice value_parts[] = {{&version, kVersionBytes},
                                          {append.payloads[i].data(), append.payloads[i].size()}};
    batch_.Put(rocksdb::SliceParts(&key_part, 1), rocksdb::SliceParts(value_parts, 2));
  }
  const bool is_new = !staged_last_.contains(append.table) && !tables_->Find(append.table);
  // For a restored table RestoreMark has stored the mark before its records.
  const SequenceNumber mark =
      is_new && !append.first_sequence ? space_->allocator.ForeignMark(append.table) : 0;
  if (is_new && (kind != TableKind::kLog || mark > 0)) {
    const Entry entry = TableEntry({region_, append.table, kind, mark});
    batch_.Put(entry.key, entry.value);
  }
  staged_.push_back(
      {append.table, append.first, append.last, kind, EncodedBytes(append), mark, time});
  staged_last_[append.table] = staged_.back();
}

absl::Status RocksdbLog::WriteStaged(bool sync) {
  absl::Status status = group_error_;
  if (!status.ok()) return status;  // a part of the group failed
  const bool is_begun = std::exchange(group_is_begun_, true);
  if (batch_.Count() > 0) {
    has_unsynced_.store(true, std::memory_order_relaxed);
    status = space_->database.Write(generation_, batch_, sync);
    batch_ = space_->database.NewBatch();
  } else if (sync && unsynced_appends_ > 0) {
    status = space_->database.Sync(generation_);
  }
  // Earlier parts of the group are in the log already.
  if (is_begun && absl::IsResourceExhausted(status)) {
    status = space_->database.Fail(generation_, status);
  }
  group_error_ = status;
  if (!status.ok()) return status;
  if (sync || unsynced_appends_ == 0) AllDurable();
  return status;
}

absl::Status RocksdbLog::ReadyForWrites(uint64_t bytes) {
  const absl::Status health = space_->database.Health(generation_);
  if (!health.ok() && !absl::IsResourceExhausted(health)) return health;
  if (health.ok()) return health;
  const absl::Status room = space_->database.CheckRoom(bytes);
  if (!room.ok()) return room;
  const absl::Status resumed = Resume();
  if (resumed.ok()) space_->database.EndShortage();
  return resumed;
}

absl::Status RocksdbLog::Resume() {
  absl::Status status = space_->database.Reopen(generation_);
  if (!status.ok()) return status;
  const uint64_t before = generation_.exchange(space_->database.generation());
  status = Load();
  if (!status.ok()) {
    // Nothing is judged by what was loaded in part: the next write tries again.
    generation_ = before;
    return status;
  }
  // The opening has made all earlier writes durable.
  AllDurable();
  return absl::OkStatus();
}

void RocksdbLog::AllDurable() {
  if (unsynced_appends_ > 0) tables_->AllDurable();
  unsynced_appends_ = 0;
  has_unsynced_.store(false, std::memory_order_relaxed);
}

}  // namespace walden::rocks
