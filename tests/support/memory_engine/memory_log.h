// A region's log in memory (engine/log_engine.h: RegionLog).
//
// An operation is judged and gets its numbers when it is begun, and is then made, in its turn, in one
// step: put into the store, synced, shown to readers, done. Nothing that is begun behind an Acquire,
// Release or Close is judged before its turn comes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "engine/log_engine.h"
#include "tests/support/memory_engine/memory_store.h"

namespace walden {

class MemoryLogCore;

class MemoryLog final : public RegionLog {
 public:
  struct Environment {
    std::shared_ptr<MemoryRegion> region;
    RegionOptions options;
    std::string identity;
    std::string address;
    bool owns_by_opening = true;
    bool creates = false;  // when it is acquired
    // Makes a step for each operation. Null: steps are made in Work, if `in_lent_threads`, otherwise
    // in the call that begins the operation. One that a fault held up is then made by the thread that
    // ends the fault.
    Executor* executor = nullptr;
    bool in_lent_threads = false;
    const WallClock* wall_clock = nullptr;
    absl::Duration linger;
    std::function<void()> on_change;
  };

  static absl::StatusOr<std::unique_ptr<RegionLog>> Open(Environment environment);
  ~MemoryLog() override;

  CommitPolicy commit_policy() const override;
  void Commit(absl::Span<AppendBatch* const> group, std::function<void()> done) override;
  void OpenProducer(std::optional<uint64_t> region_version, DoneWith<uint64_t> done) override;
  void MarkDeleted(std::vector<TableMark> marks, std::optional<uint64_t> region_version,
                   DoneWith<std::vector<SequenceNumber>> done) override;
  void RestoreMark(TableId table, SequenceNumber deleted_through, TableKind kind,
                   Done done) override;
  void RestoreNext(TableId table, SequenceNumber next, Done done) override;
  void Sync(Done done) override;
  void NoteDurable(Done done) override;
  void Acquire(const AcquireRequest& request, Done done) override;
  void Release(Done done) override;
  void Close(Done done) override;
  bool Work() override;

  absl::Status Health() const override;
  Ownership ownership() const override;
  bool HasUnsynced() const override;
  bool HasUnnoted() const override;
  RegionUsage Usage() const override;
  absl::StatusOr<RetentionPlan> PlanRetention(const RetentionLimits& limits,
                                              absl::Time now) const override;
  absl::Status Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const override;

  SequenceNumber NextNumber(TableId table) const override { return Position(table).next; }
  TablePosition Position(TableId table) const override;
  absl::StatusOr<std::unique_ptr<LogReader>> NewReader(const ReadRange& range) const override;
  std::unique_ptr<TableCut> CutTables() const override;
  RegionPage DescribePage(const DescribeCursor& from, size_t limit) const override;
  absl::StatusOr<SequenceNumber> FirstSince(TableId table, absl::Time time) const override;

 private:
  explicit MemoryLog(std::shared_ptr<MemoryLogCore> core);

  const std::shared_ptr<MemoryLogCore> core_;
};

}  // namespace walden
