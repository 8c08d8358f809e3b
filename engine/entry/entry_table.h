// One table of the entry log: the ordered pages over its log, and its flushes.
//
// The log is the truth, and pages are a view of it in memory. They are made from the log at the
// first use (cold → loading → ready), and the region's writer keeps them in step. If the log holds
// more than fits the memory, the rest is a spilled page, which only knows the range of its numbers.
//
// A page is active (entries are added), then sealed (by its size or by a flush), and is gone once a
// flush that covers it is finalized. Its memory is freed when its last reader is done.
//
// No lock is held across reading or writing; Get never waits for a sync.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "engine/entry/entry_memory_limits.h"
#include "engine/entry/table_page.h"
#include "engine/log_engine.h"
#include "engine/types.h"

namespace walden::entry {

// The pages at one moment, for a walk over them.
struct PageView {
  std::vector<std::shared_ptr<const TablePage>> pages;  // ascending numbers
  bool has_active = false;                              // entries are still added to the last one
  SequenceNumber through = 0;  // entries with higher numbers are not part of it
  // Once the table is finalized through here, the view can no longer be read to its end.
  SequenceNumber gone_at = kMaxSequenceNumber;
  uint64_t entries = 0;
  uint64_t data_bytes = 0;  // of keys and values
};

struct TableSummary {
  SequenceNumber finalized_through = 0;
  SequenceNumber through = 0;  // last number that the pages cover
  uint64_t entries = 0;
  uint64_t data_bytes = 0;
  uint64_t memory_bytes = 0;
  uint64_t spilled_entries = 0;
  std::vector<SequenceNumber> flushes;  // not finalized, ascending
};

// An EntryTable must be held by a shared_ptr.
class EntryTable : public std::enable_shared_from_this<EntryTable> {
 public:
  EntryTable(TableId table, std::shared_ptr<const RegionLog> log,
             const EntryEnvironment& environment);

  // --- The region's writer: one thread at a time. ---

  // Takes memory for a batch's entries of this table before the batch is appended; Applied gives the
  // memory back.
  // RESOURCE_EXHAUSTED (ENTRY_MEMORY_FULL) if there is not enough. A flush marker needs none.
  absl::Status Reserve(const TableAppend& append, uint64_t* reserved_bytes);

  // Notes the result of a batch. If it was committed, its entries become visible, all at once.
  void Applied(const TableAppend& append, const AppendResult& result, uint64_t reserved_bytes);

  // OK if this flush may be finalized, or is finalized already; otherwise FAILED_PRECONDITION
  // (UNKNOWN_FLUSH, FLUSH_NOT_CONSUMED). The table must have been ready once.
  absl::Status CheckFinalize(SequenceNumber flush) const;

  // Notes that the log was marked deleted through this number.
  void Finalized(SequenceNumber through);

  // --- Any thread. ---

  // Calls `ready`, now or later on another thread, once the pages are made, or with the error that
  // kept them from being made. The next call tries again.
  void WhenReady(std::function<void(const absl::Status&)> ready);

  // The following functions return nullopt when the table is not ready, or no longer: call
  // WhenReady again.

  // Visits the newest entry of each key that a page in memory has, tombstones and expired entries
  // too, with the key's index. Returns the indexes of the keys for which the log must be read.
  // `visit` must not block.
  std::optional<std::vector<size_t>> GetFromMemory(
      absl::Span<const absl::string_view> keys,
      absl::FunctionRef<void(size_t index, const RecordView& record)> visit) const;

  std::optional<PageView> ViewAll() const;
  std::optional<TableSummary> Summary() const;

  // The work of the next flush.
  struct FlushPlan {
    bool nothing = false;      // there is no entry
    SequenceNumber reuse = 0;  // nothing was put since this flush: stream it again; 0: none
  };
  std::optional<FlushPlan> PlanFlush() const;

  // Returns the pages of a flush whose marker was applied. ABORTED (FLUSH_FINALIZED) if the flush
  // was finalized already, or if an older flush was and the pages that were made then hold later
  // entries too. Until FlushConsumed is called the flush cannot be finalized, unless it could be
  // before.
  absl::StatusOr<std::optional<PageView>> BeginFlush(SequenceNumber flush);
  void FlushConsumed(SequenceNumber flush);

  // Seals the pages without a marker, for a log that has no room for one. Returns the last entry's
  // number, which is the flush's id as long as this object lives; 0 if there is no entry. The log
  // must be synced afterwards.
  std::optional<SequenceNumber> SealUnmarked();

  // Reads the log for keys that GetFromMemory could not answer. Blocks for reading. False if the
  // table is not ready.
  absl::StatusOr<bool> GetFromLog(
      absl::Span<const absl::string_view> keys,
      absl::FunctionRef<void(size_t index, const RecordView& record)> visit) const;

  // Runs `walk` while nothing is added to the active page. Must be short.
  void WithPagesStill(absl::FunctionRef<void()> walk) const;

  SequenceNumber finalized_through() const { return finalized_.load(std::memory_order_acquire); }

  // Stops readers of the log, since the region closes.
  void Abandon() { abandoned_.store(true); }
  bool abandoned() const { return abandoned_.load(); }

  TableId table() const { return table_; }
  const RegionLog& log() const { return *log_; }
  EntryMemory& memory() const { return *environment_.memory; }

 private:
  enum class State { kCold, kLoading, kReady, kFailed };

  void StartLoading() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Load();
  void FinishLoading(LoadedPages loaded) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetPages() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Apply(SequenceNumber sequence, absl::string_view payload)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SealActive() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasSpilled() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Whether a page has entries on both sides of the number: pages that are made again may end
  // anywhere.
  bool Straddled(SequenceNumber through) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  uint64_t HeldBytes() const;
  void NoteHeld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PageView ViewThrough(SequenceNumber through) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::Status MemoryFull(bool of_table) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const TableId table_;
  const std::shared_ptr<const RegionLog> log_;
  const EntryEnvironment environment_;
  std::atomic<SequenceNumber> finalized_;
  std::atomic<bool> abandoned_{false};
  std::atomic<uint64_t> loading_bytes_{0};  // of pages in the making
  std::atomic<uint64_t> live_bytes_{0};     // of the pages below, and reserved

  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kCold;
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);  // kFailed
  std::vector<std::function<void(const absl::Status&)>> waiting_ ABSL_GUARDED_BY(mutex_);
  // Loading covers records through this number, so the writer does not apply them.
  SequenceNumber load_through_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t load_number_ ABSL_GUARDED_BY(mutex_) = 0;  // rises when what is loaded is out of date
  std::vector<std::shared_ptr<TablePage>> sealed_ ABSL_GUARDED_BY(mutex_);
  uint64_t sealed_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<TablePage> active_ ABSL_GUARDED_BY(mutex_);  // null: empty
  uint64_t reserved_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  SequenceNumber applied_through_ ABSL_GUARDED_BY(mutex_) = 0;
  // Flushes that are not finalized, and whether each was streamed to its end.
  std::map<SequenceNumber, bool> flushes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden::entry
