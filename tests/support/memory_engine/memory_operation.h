// The operations of a log in memory.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "engine/log_engine.h"
#include "tests/support/memory_engine/memory_state.h"
#include "tests/support/memory_engine/memory_store.h"

namespace walden {

// What operations are judged by: all that was judged before.
struct MemoryWriting {
  absl::Status refusal;  // why nothing can be changed; OK if it can
  MemoryState state;
  uint32_t unsynced_appends = 0;
  uint32_t sync_every = 0;  // appends
  const WallClock* wall_clock = nullptr;
};

// An operation that was begun. One thread at a time.
class MemoryOperation {
 public:
  struct Outcome {
    absl::Status status;
    bool may_be_stored = false;  // if it failed
    bool is_durable = false;     // with all before it
  };

  virtual ~MemoryOperation() = default;

  // Finds out what it changes, and changes the state of `writing`.
  virtual void Judge(MemoryWriting& /*writing*/) {}
  // What it does beside it, after it was stored and synced.
  virtual absl::Status Run() { return absl::OkStatus(); }
  // Tells its caller.
  virtual void Done(const Outcome& outcome) = 0;

  virtual bool is_commit() const { return false; }
  // Nothing that is begun after it is judged before it is done.
  virtual bool is_barrier() const { return false; }
  // It is made even if the region failed, or is not owned.
  virtual bool is_for_any() const { return false; }

  // Set by Judge.
  absl::Status refused;
  MemoryChanges changes;
  bool needs_sync = false;

  // Its progress, of the log.
  bool is_judged = false;
  uint64_t epoch = 0;  // in which it was judged
  std::shared_ptr<MemoryRegion::Fault> fault;
  bool was_reached = false;
  bool may_be_put = false;
  bool is_put = false;

 protected:
  void Add(MemoryWriting& writing, MemoryChange change);
  // A change that is durable when it is done.
  void AddDurably(MemoryWriting& writing, MemoryChange change);
  absl::Status Fence(MemoryWriting& writing, std::optional<uint64_t> version);
};

std::unique_ptr<MemoryOperation> MemoryCommit(absl::Span<AppendBatch* const> group,
                                              std::function<void()> done);
std::unique_ptr<MemoryOperation> MemoryOpenProducer(std::optional<uint64_t> region_version,
                                                    RegionLog::DoneWith<uint64_t> done);
std::unique_ptr<MemoryOperation> MemoryMarkDeleted(
    std::vector<TableMark> marks, std::optional<uint64_t> region_version,
    RegionLog::DoneWith<std::vector<SequenceNumber>> done);
std::unique_ptr<MemoryOperation> MemoryRestoreMark(TableId table, SequenceNumber deleted_through,
                                                   TableKind kind, RegionLog::Done done);
std::unique_ptr<MemoryOperation> MemoryRestoreNext(TableId table, SequenceNumber next,
                                                   RegionLog::Done done);
// Syncs, and then runs `run`, if there is one.
std::unique_ptr<MemoryOperation> MemorySync(std::function<absl::Status()> run,
                                            RegionLog::Done done);
// Runs `run` alone, whatever the state of the log.
std::unique_ptr<MemoryOperation> MemoryAlone(std::function<absl::Status()> run,
                                             RegionLog::Done done);

}  // namespace walden
