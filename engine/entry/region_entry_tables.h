// The entry logs of one open region.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/entry/entry_table.h"
#include "engine/log_engine.h"

namespace walden::entry {

// The memory that was taken for a batch of entries, in each of its tables, in the batch's order.
struct Reservation {
  std::shared_ptr<EntryTable> table;
  uint64_t bytes = 0;
};
using Reservations = absl::InlinedVector<Reservation, 1>;

class RegionEntryTables {
 public:
  RegionEntryTables(std::shared_ptr<const RegionLog> log, const EntryEnvironment& environment)
      : log_(std::move(log)), environment_(environment) {}
  ~RegionEntryTables() { Abandon(); }
  RegionEntryTables(const RegionEntryTables&) = delete;
  RegionEntryTables& operator=(const RegionEntryTables&) = delete;

  // --- The region's writer: one thread at a time. ---

  // Call these before and after committing a batch of kind kEntries: see EntryTable. Admit takes
  // memory for each table, adds it to the empty `reserved`, and stops at the first error. Applied
  // gets the same `reserved`, after an error too. Also FAILED_PRECONDITION (WRONG_TABLE_KIND).
  absl::Status Admit(const AppendBatch& batch, Reservations& reserved);
  void Applied(const AppendBatch& batch, const Reservations& reserved);

  // Call these before and after marking a table deleted through a flush. An empty table has no
  // flush.
  absl::Status CheckFinalize(TableId table, SequenceNumber flush);
  void Finalized(TableId table, SequenceNumber through);

  // Drops the pages, which are made again from the log: another may have written to it.
  void Forget() ABSL_LOCKS_EXCLUDED(mutex_);

  // --- Any thread. ---

  // The table; null if it was never written. FAILED_PRECONDITION: WRONG_TABLE_KIND for a plain
  // log; OWNED_ELSEWHERE if the log is not owned, since pages follow only what is appended here.
  absl::StatusOr<std::shared_ptr<EntryTable>> Find(TableId table);

  // Whether there are pages in memory that closing the region would drop.
  bool HasTables() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return !tables_.empty();
  }

  // Stops readers and loading.
  void Abandon();

 private:
  // The table; null if there is none and `create` is not set.
  absl::StatusOr<std::shared_ptr<EntryTable>> Get(TableId table, bool create);

  const std::shared_ptr<const RegionLog> log_;
  const EntryEnvironment environment_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<TableId, std::shared_ptr<EntryTable>> tables_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden::entry
