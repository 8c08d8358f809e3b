#include "tests/unit/server/memory_engine.h"

#include <algorithm>

#include "base/error.h"
#include "engine/common/append_checks.h"
#include "engine/common/table_cuts.h"
#include "engine/common/table_kind.h"
#include "engine/log_errors.h"

namespace walden {
namespace {

absl::Status RegionFailed() {
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRegionFailed,
                   "a write failed; close the region");
}

class MemoryReader final : public LogReader {
 public:
  MemoryReader(std::shared_ptr<MemoryRegion> region, const ReadRange& range)
      : region_(std::move(region)), range_(range) {
    absl::MutexLock lock(&region_->mutex);
    for (const auto& [id, table] : region_->tables) marks_[id] = table.deleted_through;
    if (range_.table.has_value() && range_.first == 0) range_.first = marks_[*range_.table] + 1;
  }

  absl::StatusOr<ReadProgress> Next(const ReadLimits& limits,
                                    absl::FunctionRef<void(const RecordView&)> visit) override {
    absl::MutexLock lock(&region_->mutex);
    if (range_.table.has_value()) {
      if (region_->endless.contains(*range_.table)) return ReadProgress::kMore;
      const SequenceNumber mark = region_->tables[*range_.table].deleted_through;
      if (mark >= range_.first && range_.first <= range_.last) {
        if (!range_.skip_deleted) return RecordsGone(range_.table, mark + 1);
        range_.first = mark + 1;
        return ReadProgress::kSkipped;
      }
    }
    size_t records = 0;
    size_t bytes = 0;
    for (; position_ < std::min(end_, region_->records.size()); ++position_) {
      const MemoryRegion::Record& record = region_->records[position_];
      if (range_.table.has_value() && record.table != *range_.table) continue;
      if (record.sequence < range_.first) continue;
      if (record.sequence > range_.last) {
        if (range_.table.has_value()) return ReadProgress::kFinished;
        continue;
      }
      if (record.sequence <= marks_[record.table]) continue;
      if (record.sequence == region_->damaged_at) {
        return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption, "damaged");
      }
      if (record.payload.size() > limits.max_record_bytes) {
        too_large_bytes_ = record.payload.size();
        too_large_sequence_ = record.sequence;
        return ReadProgress::kTooLarge;
      }
      if (records == limits.max_records || bytes >= limits.max_payload_bytes) {
        return ReadProgress::kMore;
      }
      visit({record.table, record.sequence, record.payload});
      ++records;
      bytes += record.payload.size();
      if (!range_.table.has_value()) continue;
      range_.first = record.sequence + 1;
      if (record.sequence == range_.last) return ReadProgress::kFinished;
    }
    return ReadProgress::kAtEnd;
  }

  size_t too_large_bytes() const override { return too_large_bytes_; }
  SequenceNumber too_large_sequence() const override { return too_large_sequence_; }

  void EndHere() override {
    absl::MutexLock lock(&region_->mutex);
    end_ = region_->records.size();
  }

 private:
  const std::shared_ptr<MemoryRegion> region_;
  ReadRange range_;
  std::map<TableId, SequenceNumber> marks_;  // as of the start
  size_t position_ = 0;
  size_t end_ = SIZE_MAX;
  size_t too_large_bytes_ = 0;
  SequenceNumber too_large_sequence_ = 0;
};

class MemoryLog final : public RegionLog {
 public:
  explicit MemoryLog(std::shared_ptr<MemoryRegion> region) : region_(std::move(region)) {}

  void Commit(absl::Span<AppendBatch* const> group, std::function<void()> done) override {
    std::function<void()> in_commit;
    {
      absl::MutexLock lock(&region_->mutex);
      in_commit = region_->in_commit;
    }
    if (in_commit) in_commit();
    {
      absl::MutexLock lock(&region_->mutex);
      region_->group_sizes.push_back(group.size());
      region_->failing = std::exchange(region_->fail_next_commit, false);
      if (region_->failing) region_->failed = RegionFailed();
      const bool sync = std::any_of(group.begin(), group.end(), [](const AppendBatch* batch) {
        return batch->durability == Durability::kSync;
      });
      for (AppendBatch* batch : group) Append(*batch, sync);
      region_->unsynced = !sync;
      if (sync) region_->NoteDurable();
      if (std::exchange(region_->answer_commits_later, false)) {
        region_->late_done = std::move(done);
        return;
      }
    }
    done();
  }

  void OpenProducer(std::optional<uint64_t> version, DoneWith<uint64_t> done) override {
    done(OpenProducerNow(version));
  }
  void MarkDeleted(std::vector<TableMark> marks, std::optional<uint64_t> version,
                   DoneWith<std::vector<SequenceNumber>> done) override {
    done(MarkDeletedNow(marks, version));
  }
  void Sync(Done done) override { done(SyncNow()); }
  void NoteDurable(Done done) override { done(NoteDurableNow()); }
  void Close(Done done) override { done(CloseNow()); }

  absl::StatusOr<uint64_t> OpenProducerNow(std::optional<uint64_t> region_version) {
    absl::MutexLock lock(&region_->mutex);
    if (!region_->failed.ok()) return region_->failed;
    if (region_version.value_or(region_->region_version) < region_->region_version) {
      return Fenced();
    }
    region_->region_version = region_version.value_or(region_->region_version);
    const uint64_t id = region_->producers.NextId(/*unix_micros=*/0);
    if (const auto forgotten = region_->producers.NextToForget()) {
      region_->producers.Forget(*forgotten);
    }
    region_->producers.Issue(id, ++region_->producer_order);
    return id;
  }

  absl::StatusOr<std::vector<SequenceNumber>> MarkDeletedNow(
      absl::Span<const TableMark> marks, std::optional<uint64_t> region_version) {
    absl::MutexLock lock(&region_->mutex);
    if (region_version.value_or(region_->region_version) < region_->region_version) {
      return Fenced();
    }
    region_->region_version = region_version.value_or(region_->region_version);
    std::vector<SequenceNumber> made;
    for (const TableMark& asked : marks) {
      const auto found = region_->tables.find(asked.table);
      SequenceNumber mark = 0;
      if (found != region_->tables.end()) {
        mark = std::max(found->second.deleted_through,
                        std::min(asked.through, found->second.next - 1));
        found->second.deleted_through = mark;
      }
      made.push_back(mark);
    }
    return made;
  }

  void RestoreMark(TableId, SequenceNumber, TableKind, Done done) override {
    done(absl::UnimplementedError("the memory engine restores nothing"));
  }

  SequenceNumber NextNumber(TableId table) const override { return Position(table).next; }

  void RestoreNext(TableId, SequenceNumber, Done done) override {
    done(absl::UnimplementedError("the memory engine restores nothing"));
  }

  absl::Status SyncNow() {
    absl::MutexLock lock(&region_->mutex);
    if (!region_->failed.ok()) return region_->failed;
    region_->unsynced = false;
    region_->NoteDurable();
    ++region_->syncs;
    return absl::OkStatus();
  }

  absl::Status NoteDurableNow() {
    absl::MutexLock lock(&region_->mutex);
    region_->noted_records = region_->records.size();
    ++region_->notes;
    return region_->failed;
  }

  bool HasUnnoted() const override {
    absl::MutexLock lock(&region_->mutex);
    return !region_->unsynced && region_->records.size() != region_->noted_records;
  }

  RegionUsage Usage() const override {
    absl::MutexLock lock(&region_->mutex);
    RegionUsage usage;
    usage.tables = region_->tables.size();
    for (const MemoryRegion::Record& record : region_->records) {
      usage.allocated_bytes += record.payload.size();
      if (record.sequence <= region_->tables[record.table].deleted_through) continue;
      usage.live_bytes += record.payload.size();
      ++usage.live_records;
      if (usage.oldest.has_value()) continue;
      usage.oldest = OldestRecord{.table = record.table,
                                  .sequence = record.sequence,
                                  .appended_unix_micros = record.unix_micros};
    }
    return usage;
  }

  absl::Status CloseNow() {
    absl::MutexLock lock(&region_->mutex);
    ++region_->closes;
    region_->unsynced = false;
    region_->failed = absl::OkStatus();
    return absl::OkStatus();
  }

  absl::Status Health() const override {
    absl::MutexLock lock(&region_->mutex);
    return region_->failed;
  }

  bool HasUnsynced() const override {
    absl::MutexLock lock(&region_->mutex);
    return region_->unsynced;
  }

  TablePosition Position(TableId table) const override {
    absl::MutexLock lock(&region_->mutex);
    const auto found = region_->tables.find(table);
    if (found == region_->tables.end()) return {};
    return {found->second.deleted_through + 1,
            found->second.next,
            found->second.deleted_through,
            found->second.kind,
            found->second.next - 1,
            found->second.durable_through};
  }

  absl::StatusOr<std::unique_ptr<LogReader>> NewReader(const ReadRange& range) const override {
    return std::make_unique<MemoryReader>(region_, range);
  }

  std::unique_ptr<TableCut> CutTables() const override {
    return std::make_unique<UnchangingTableCut>(Describe().tables);
  }

  RegionPage DescribePage(const DescribeCursor& from, size_t limit) const override {
    absl::MutexLock lock(&region_->mutex);
    RegionDescription description;
    description.region_version = region_->region_version;
    for (const auto& [id, table] : region_->tables) {
      const bool live = table.deleted_through + 1 < table.next;
      description.tables.push_back({.table = id,
                                    .next = table.next,
                                    .deleted_through = table.deleted_through,
                                    .first_live = live ? table.deleted_through + 1 : 0,
                                    .last_live = live ? table.next - 1 : 0,
                                    .kind = table.kind,
                                    .durable_through = table.durable_through});
    }
    description.opening.records_scanned = region_->records.size();
    return PageOf(description, from, limit);
  }

  absl::StatusOr<SequenceNumber> FirstSince(TableId table, absl::Time time) const override {
    std::function<void()> in_first_since;
    {
      absl::MutexLock lock(&region_->mutex);
      in_first_since = region_->in_first_since;
    }
    if (in_first_since) in_first_since();
    absl::MutexLock lock(&region_->mutex);
    const auto found = region_->tables.find(table);
    if (found == region_->tables.end()) return 1;
    for (const MemoryRegion::Record& record : region_->records) {
      const bool live = record.table == table && record.sequence > found->second.deleted_through;
      if (live && record.unix_micros >= absl::ToUnixMicros(time)) return record.sequence;
    }
    return found->second.next;
  }

  absl::StatusOr<RetentionPlan> PlanRetention(const RetentionLimits&, absl::Time) const override {
    return absl::UnimplementedError("the memory engine has no retention");
  }

  absl::Status Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const override {
    VerifyProgress progress;
    {
      absl::MutexLock lock(&region_->mutex);
      ++region_->verifications;
      progress.records_checked = region_->records.size();
    }
    report(progress);
    return absl::OkStatus();
  }

 private:
  static absl::Status Fenced() {
    return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kFenced, "fenced");
  }

  void Append(AppendBatch& batch, bool sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(region_->mutex) {
    batch.ClearResult();
    absl::Status& status = batch.result.status;
    status = region_->failed;
    batch.result.may_be_stored = !status.ok() && region_->failing;
    if (status.ok()) status = CheckTables(batch);
    if (!status.ok()) return;
    if (batch.region_version.value_or(region_->region_version) < region_->region_version) {
      status = Fenced();
      return;
    }
    region_->region_version = batch.region_version.value_or(region_->region_version);
    if (AnswerRetry(region_->producers, batch, &status)) {
      batch.result.durable = sync;
      return;
    }
    for (const TableAppend& append : batch.tables) {
      const auto known = region_->tables.find(append.table);
      const bool is_new = known == region_->tables.end();
      if (!is_new) status = CheckTableKind(append.table, known->second.kind, batch.kind);
      if (status.ok()) status = CheckExpectedNext(append, is_new ? 1 : known->second.next);
      if (!status.ok()) return;
    }
    for (TableAppend& append : batch.tables) {
      MemoryRegion::Table& table = region_->tables[append.table];
      table.kind = batch.kind;
      append.first = table.next;
      for (const absl::string_view payload : append.payloads) {
        region_->records.push_back(
            {append.table, table.next++, std::string(payload), region_->unix_micros});
      }
      append.last = table.next - 1;
    }
    batch.result.durable = sync;
    if (batch.producer.has_value()) Remember(batch);
  }

  void Remember(const AppendBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(region_->mutex) {
    region_->producers.Add(RememberedBatch(batch, ++region_->producer_order));
  }

  const std::shared_ptr<MemoryRegion> region_;
};

}  // namespace

std::vector<size_t> MemoryRegion::GroupSizes() {
  absl::MutexLock lock(&mutex);
  return group_sizes;
}

std::vector<std::string> MemoryRegion::Payloads(TableId table) {
  absl::MutexLock lock(&mutex);
  std::vector<std::string> payloads;
  for (const Record& record : records) {
    if (record.table == table) payloads.push_back(record.payload);
  }
  return payloads;
}

void MemoryRegion::FinishLateCommit() {
  std::function<void()> done;
  {
    absl::MutexLock lock(&mutex);
    done = std::exchange(late_done, nullptr);
  }
  done();
}

std::shared_ptr<MemoryRegion> MemoryEngine::Region(RegionId region) {
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<MemoryRegion>& found = regions_[region];
  if (found == nullptr) found = std::make_shared<MemoryRegion>();
  return found;
}

void MemoryEngine::FailOpening(RegionId region, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  failing_[region] = std::move(status);
}

void MemoryEngine::FailListing(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  listing_ = std::move(status);
}

void MemoryEngine::SetInOpening(std::function<void(RegionId)> in_opening) {
  absl::MutexLock lock(&mutex_);
  in_opening_ = std::move(in_opening);
}

int MemoryEngine::openings() const {
  absl::MutexLock lock(&mutex_);
  return openings_;
}

absl::StatusOr<std::vector<RegionId>> MemoryEngine::ListRegions() const {
  absl::MutexLock lock(&mutex_);
  if (!listing_.ok()) return listing_;
  std::vector<RegionId> ids;
  for (const auto& [id, region] : regions_) ids.push_back(id);
  return ids;
}

void MemoryEngine::OpenRegion(
    RegionId region, const OpenRequest& request,
    std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) {
  done(OpenRegionNow(region, request.options, request.create));
}

absl::StatusOr<std::unique_ptr<RegionLog>> MemoryEngine::OpenRegionNow(RegionId region,
                                                                       const RegionOptions&,
                                                                       bool create) {
  std::function<void(RegionId)> in_opening;
  {
    absl::MutexLock lock(&mutex_);
    in_opening = in_opening_;
  }
  if (in_opening) in_opening(region);
  absl::MutexLock lock(&mutex_);
  ++openings_;
  if (const auto failing = failing_.find(region);
      failing != failing_.end() && !failing->second.ok()) {
    return failing->second;
  }
  std::shared_ptr<MemoryRegion>& found = regions_[region];
  if (found == nullptr && !create) {
    regions_.erase(region);
    return MakeError(absl::StatusCode::kNotFound, ErrorReason::kRegionNotFound, "no such region");
  }
  if (found == nullptr) found = std::make_shared<MemoryRegion>();
  return std::make_unique<MemoryLog>(found);
}

void MemoryEngine::DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) {
  done(DropRegionNow(region));
}

absl::StatusOr<bool> MemoryEngine::DropRegionNow(RegionId region) {
  absl::MutexLock lock(&mutex_);
  failing_.erase(region);
  return regions_.erase(region) > 0;
}

absl::Status MemoryEngine::VerifyClosedRegion(
    RegionId, absl::FunctionRef<bool(const VerifyProgress&)> report) const {
  VerifyProgress progress;
  progress.findings.push_back({.file = "seg_0", .offset = 8, .length = 4, .reason = "checksum"});
  report(progress);
  return absl::OkStatus();
}

}  // namespace walden
