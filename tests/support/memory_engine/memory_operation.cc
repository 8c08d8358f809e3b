#include "tests/support/memory_engine/memory_operation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/append_checks.h"
#include "engine/common/table_kind.h"

namespace walden {

void MemoryOperation::Add(MemoryWriting& writing, MemoryChange change) {
  writing.state.Apply(change);
  changes.push_back(std::make_shared<const MemoryChange>(std::move(change)));
}

void MemoryOperation::AddDurably(MemoryWriting& writing, MemoryChange change) {
  Add(writing, std::move(change));
  needs_sync = true;
  writing.unsynced_appends = 0;
}

absl::Status MemoryOperation::Fence(MemoryWriting& writing, std::optional<uint64_t> version) {
  const uint64_t highest = writing.state.region_version;
  const absl::Status status = CheckFence(version, highest);
  if (!status.ok() || version.value_or(highest) == highest) return status;
  MemoryChange change;
  change.region_version = version;
  AddDurably(writing, std::move(change));
  return absl::OkStatus();
}

namespace {

class Commit final : public MemoryOperation {
 public:
  Commit(absl::Span<AppendBatch* const> group, std::function<void()> done)
      : group_(group.begin(), group.end()), done_(std::move(done)) {}

  bool is_commit() const override { return true; }

  void Judge(MemoryWriting& writing) override {
    for (AppendBatch* batch : group_) {
      batch->ClearResult();
      batch->result.status = JudgeBatch(writing, *batch);
      if (batch->result.status.ok() && batch->durability == Durability::kSync) needs_sync = true;
    }
    if (writing.unsynced_appends >= writing.sync_every) needs_sync = true;
    if (needs_sync) writing.unsynced_appends = 0;
  }

  void Done(const Outcome& outcome) override {
    for (AppendBatch* batch : group_) {
      if (outcome.status.ok()) {
        batch->result.durable = batch->result.status.ok() && outcome.is_durable;
        continue;
      }
      FailBatch(*batch, outcome.status);
      batch->result.may_be_stored &= outcome.may_be_stored;
    }
    done_();
  }

 private:
  absl::Status JudgeBatch(MemoryWriting& writing, AppendBatch& batch) {
    absl::Status status = writing.refusal;
    if (status.ok()) status = CheckWanted(batch);
    if (status.ok()) status = CheckTables(batch);
    if (status.ok()) status = Fence(writing, batch.region_version);
    if (!status.ok()) return status;
    if (AnswerRetry(writing.state.producers, batch, &status)) return status;
    if (batch.tables.empty()) {
      MemoryChange change;
      change.batch = RememberedBatch(batch, /*order=*/0);
      AddDurably(writing, std::move(change));
      return absl::OkStatus();
    }
    for (const TableAppend& append : batch.tables) {
      status = JudgeTable(writing.state.Of(append.table), batch.kind, append);
      if (!status.ok()) return status;
    }
    AddRecords(writing, batch);
    ++writing.unsynced_appends;
    return absl::OkStatus();
  }

  static absl::Status JudgeTable(const MemoryState::Table& table, TableKind kind,
                                 const TableAppend& append) {
    absl::Status status = CheckTableKind(append.table, table.kind, kind);
    if (status.ok()) status = CheckExpectedNext(append, table.next);
    if (status.ok() && append.first_sequence) status = CheckFirstSequence(append, table.last + 1);
    if (!status.ok()) return status;
    return CheckNumbersLeft(append.first_sequence.value_or(table.next), append.payloads.size());
  }

  void AddRecords(MemoryWriting& writing, AppendBatch& batch) {
    MemoryChange change;
    for (TableAppend& append : batch.tables) {
      const MemoryState::Table table = writing.state.Of(append.table);
      append.first = append.first_sequence.value_or(table.next);
      append.last = append.first + append.payloads.size() - 1;
      change.kinds.emplace_back(append.table, batch.kind);
      const int64_t now = std::max(table.last_unix_micros, writing.wall_clock->UnixMicros());
      for (size_t i = 0; i < append.payloads.size(); ++i) {
        change.records.push_back({.table = append.table,
                                  .sequence = append.first + i,
                                  .unix_micros = now,
                                  .payload = std::string(append.payloads[i])});
      }
    }
    if (batch.producer) change.batch = RememberedBatch(batch, /*order=*/0);
    Add(writing, std::move(change));
  }

  const std::vector<AppendBatch*> group_;
  const std::function<void()> done_;
};

class OpenProducer final : public MemoryOperation {
 public:
  OpenProducer(std::optional<uint64_t> region_version, RegionLog::DoneWith<uint64_t> done)
      : region_version_(region_version), done_(std::move(done)) {}

  void Judge(MemoryWriting& writing) override {
    refused = writing.refusal;
    if (refused.ok()) refused = Fence(writing, region_version_);
    if (!refused.ok()) return;
    id_ = writing.state.producers.NextId(writing.wall_clock->UnixMicros());
    MemoryChange change;
    change.producer_forgotten = writing.state.producers.NextToForget();
    change.producer_issued = id_;
    AddDurably(writing, std::move(change));
  }

  void Done(const Outcome& outcome) override {
    if (outcome.status.ok()) {
      done_(id_);
    } else {
      done_(outcome.status);
    }
  }

 private:
  const std::optional<uint64_t> region_version_;
  const RegionLog::DoneWith<uint64_t> done_;
  uint64_t id_ = 0;
};

class MarkDeleted final : public MemoryOperation {
 public:
  MarkDeleted(std::vector<TableMark> marks, std::optional<uint64_t> region_version,
              RegionLog::DoneWith<std::vector<SequenceNumber>> done)
      : marks_(std::move(marks)), region_version_(region_version), done_(std::move(done)) {}

  void Judge(MemoryWriting& writing) override {
    refused = writing.refusal;
    if (refused.ok()) refused = Fence(writing, region_version_);
    if (!refused.ok()) return;
    MemoryChange change;
    for (const TableMark& asked : marks_) {
      const MemoryState::Table table = writing.state.Of(asked.table);
      const SequenceNumber end = table.known() ? table.next - 1 : 0;
      const SequenceNumber mark = std::max(table.deleted_through, std::min(asked.through, end));
      made_.push_back(mark);
      if (mark > table.deleted_through) change.marks.push_back({asked.table, mark});
    }
    if (!change.marks.empty()) AddDurably(writing, std::move(change));
  }

  void Done(const Outcome& outcome) override {
    if (outcome.status.ok()) {
      done_(std::move(made_));
    } else {
      done_(outcome.status);
    }
  }

 private:
  const std::vector<TableMark> marks_;
  const std::optional<uint64_t> region_version_;
  const RegionLog::DoneWith<std::vector<SequenceNumber>> done_;
  std::vector<SequenceNumber> made_;
};

class RestoreMark final : public MemoryOperation {
 public:
  RestoreMark(TableId table, SequenceNumber deleted_through, TableKind kind, RegionLog::Done done)
      : table_(table), through_(deleted_through), kind_(kind), done_(std::move(done)) {}

  void Judge(MemoryWriting& writing) override {
    refused = writing.refusal;
    if (!refused.ok()) return;
    const MemoryState::Table table = writing.state.Of(table_);
    if (table.deleted_through == through_ && through_ > 0) return;
    if (table.known()) {
      refused = MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRestoreOutOfOrder,
                          absl::StrCat("table ", table_, " has records, or another mark, here"),
                          {{"field", "table_id"}, {"value", absl::StrCat(table_)}});
      return;
    }
    refused = CheckNumbersLeft(through_, 1);
    if (!refused.ok()) return;
    MemoryChange change;
    if (through_ > 0) change.marks.push_back({table_, through_});
    if (through_ > 0 || kind_ == TableKind::kEntries) change.kinds.emplace_back(table_, kind_);
    AddDurably(writing, std::move(change));
  }

  void Done(const Outcome& outcome) override { done_(outcome.status); }

 private:
  const TableId table_;
  const SequenceNumber through_;
  const TableKind kind_;
  const RegionLog::Done done_;
};

class RestoreNext final : public MemoryOperation {
 public:
  RestoreNext(TableId table, SequenceNumber next, RegionLog::Done done)
      : table_(table), next_(next), done_(std::move(done)) {}

  void Judge(MemoryWriting& writing) override {
    refused = writing.refusal;
    if (!refused.ok() || next_ <= writing.state.Of(table_).next) return;
    refused = CheckNumbersLeft(next_, 1);
    if (!refused.ok()) return;
    MemoryChange change;
    change.next.emplace_back(table_, next_);
    AddDurably(writing, std::move(change));
  }

  void Done(const Outcome& outcome) override { done_(outcome.status); }

 private:
  const TableId table_;
  const SequenceNumber next_;
  const RegionLog::Done done_;
};

class Sync final : public MemoryOperation {
 public:
  Sync(std::function<absl::Status()> run, RegionLog::Done done)
      : run_(std::move(run)), done_(std::move(done)) {}

  void Judge(MemoryWriting& writing) override {
    refused = writing.refusal;
    needs_sync = true;
    if (refused.ok()) writing.unsynced_appends = 0;
  }
  absl::Status Run() override { return run_(); }
  void Done(const Outcome& outcome) override { done_(outcome.status); }

 private:
  const std::function<absl::Status()> run_;
  const RegionLog::Done done_;
};

class Alone final : public MemoryOperation {
 public:
  Alone(std::function<absl::Status()> run, RegionLog::Done done)
      : run_(std::move(run)), done_(std::move(done)) {}

  bool is_barrier() const override { return true; }
  bool is_for_any() const override { return true; }
  absl::Status Run() override { return run_(); }
  void Done(const Outcome& outcome) override { done_(outcome.status); }

 private:
  const std::function<absl::Status()> run_;
  const RegionLog::Done done_;
};

}  // namespace

std::unique_ptr<MemoryOperation> MemoryCommit(absl::Span<AppendBatch* const> group,
                                              std::function<void()> done) {
  return std::make_unique<Commit>(group, std::move(done));
}

std::unique_ptr<MemoryOperation> MemoryOpenProducer(std::optional<uint64_t> region_version,
                                                    RegionLog::DoneWith<uint64_t> done) {
  return std::make_unique<OpenProducer>(region_version, std::move(done));
}

std::unique_ptr<MemoryOperation> MemoryMarkDeleted(
    std::vector<TableMark> marks, std::optional<uint64_t> region_version,
    RegionLog::DoneWith<std::vector<SequenceNumber>> done) {
  return std::make_unique<MarkDeleted>(std::move(marks), region_version, std::move(done));
}

std::unique_ptr<MemoryOperation> MemoryRestoreMark(TableId table, SequenceNumber deleted_through,
                                                   TableKind kind, RegionLog::Done done) {
  return std::make_unique<RestoreMark>(table, deleted_through, kind, std::move(done));
}

std::unique_ptr<MemoryOperation> MemoryRestoreNext(TableId table, SequenceNumber next,
                                                   RegionLog::Done done) {
  return std::make_unique<RestoreNext>(table, next, std::move(done));
}

std::unique_ptr<MemoryOperation> MemorySync(std::function<absl::Status()> run,
                                            RegionLog::Done done) {
  return std::make_unique<Sync>(std::move(run), std::move(done));
}

std::unique_ptr<MemoryOperation> MemoryAlone(std::function<absl::Status()> run,
                                             RegionLog::Done done) {
  return std::make_unique<Alone>(std::move(run), std::move(done));
}

}  // namespace walden
