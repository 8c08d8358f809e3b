// Walks pages in key order, newest version of a key first. Flush and Scan stream what the cursor
// visits.
//
// The cursor is a LogReader, so code that streams records also streams entries: each visited
// record's payload is an encoded entry (entry_format.h). Memory is bounded: for a page that is not
// in memory the log is read as often as needed, each time for the next keys that fit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/entry/entry_table.h"
#include "engine/log_engine.h"

namespace walden::entry {

struct CursorRange {
  std::string first_key;               // inclusive; empty: from the beginning
  std::optional<std::string> end_key;  // exclusive; none: to the end
  // Set: only each key's newest entry, if it is neither a tombstone nor expired at this time.
  std::optional<int64_t> newest_at_unix_ms;
  bool with_hidden = false;  // tombstones and expired entries too, then
};

// One thread at a time.
class EntryCursor final : public LogReader {
 public:
  EntryCursor(std::shared_ptr<const EntryTable> table, PageView view, CursorRange range);
  ~EntryCursor() override;

  // As LogReader::Next, in key order instead of sequence order. May visit nothing and return kMore.
  // The end is kFinished. Further errors: ABORTED (FLUSH_FINALIZED) if pages that are not in
  // memory, or the flush itself, were finalized meanwhile; RESOURCE_EXHAUSTED (ENTRY_MEMORY_FULL)
  // if too many other cursors read the log in passes.
  absl::StatusOr<ReadProgress> Next(const ReadLimits& limits,
                                    absl::FunctionRef<void(const RecordView&)> visit) override;
  size_t too_large_bytes() const override { return too_large_bytes_; }
  SequenceNumber too_large_sequence() const override { return too_large_sequence_; }
  void EndHere() override {}  // the view is of one moment

 private:
  enum class Step { kMore, kFinished, kTooLarge, kNeedsPass };
  class Merge;

  absl::Status CheckStillThere() const;
  absl::Status FinalizedMeanwhile() const;
  Step Walk(const ReadLimits& limits, absl::FunctionRef<void(const RecordView&)> visit);
  bool Shown(const Slot& newest) const;
  absl::Status ReadPass();
  bool BeforeEnd(absl::string_view key) const { return !range_.end_key || key < *range_.end_key; }

  const std::shared_ptr<const EntryTable> table_;
  const PageView view_;
  const CursorRange range_;
  size_t too_large_bytes_ = 0;
  SequenceNumber too_large_sequence_ = 0;

  // The position of the last entry that was visited or passed over.
  bool begun_ = false;
  std::string at_key_;
  SequenceNumber at_sequence_ = 0;
  // The newest entry of this key was visited or found hidden (newest_at_unix_ms).
  std::string decided_key_;  // keys are never empty

  // The spilled pages' next entries in order.
  bool has_spilled_ = false;
  uint64_t pass_charged_ = 0;
  std::unique_ptr<Page> pass_;  // null: to be read
  bool pass_is_last_ = false;   // nothing lies behind it
  MemoryBudget uncounted_;      // the pass is counted as a whole
};

}  // namespace walden::entry
