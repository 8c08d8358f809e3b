// A range of a table's log, with its entries as an ordered page if memory had room for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/entry/entry_codec.h"
#include "engine/entry/entry_memory_limits.h"
#include "engine/entry/page.h"
#include "engine/log_engine.h"
#include "engine/types.h"

namespace walden::entry {

struct TablePage {
  explicit TablePage(MemoryBudget* budget) : page(std::make_unique<Page>(budget)) {}

  SequenceNumber first = 0;  // of its entries; both 0 when it has none
  SequenceNumber last = 0;
  uint64_t entries = 0;
  uint64_t data_bytes = 0;     // of keys and values
  std::unique_ptr<Page> page;  // null: spilled, the log has to be read

  size_t memory_bytes() const { return page == nullptr ? 0 : page->memory_bytes(); }

  // Adds the entry of a record with a higher number than any before. `entry` is the decoded
  // payload.
  void Add(SequenceNumber sequence, absl::string_view payload, const EntryView& entry);
};

// The pages that were made from a table's log.
struct LoadedPages {
  std::vector<std::shared_ptr<TablePage>> pages;  // ascending numbers; none is empty
  std::vector<SequenceNumber> flushes;            // ids, ascending
};

struct LoadRange {
  TableId table = 0;
  SequenceNumber first = 1;  // both inclusive
  SequenceNumber last = 0;
};

// Counters of the memory that a table holds while it is being loaded.
struct LoadMemory {
  std::atomic<uint64_t>& loading;       // set to the bytes of the pages made so far; 0 at the end
  const std::atomic<uint64_t>& beside;  // other bytes of the same table; other threads change it
};

// Reads the log into pages. When they fill the table's memory or the daemon's, the rest is one
// spilled page. Calls `stop` from time to time. Blocks for reading. Errors: those of LogReader;
// ABORTED if `stop` returned true; DATA_LOSS for a record that is no entry.
absl::StatusOr<LoadedPages> LoadPages(const RegionLog& log, const LoadRange& range,
                                      EntryMemory& memory, const LoadMemory& held,
                                      absl::FunctionRef<bool()> stop);

// Visits the records of a range in order, decoded. LoadPages reads with it.
absl::Status VisitEntries(
    const RegionLog& log, const LoadRange& range, absl::FunctionRef<bool()> stop,
    absl::FunctionRef<void(const RecordView& record, const EntryView& entry)> visit);

}  // namespace walden::entry
