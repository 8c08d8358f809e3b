#include "engine/entry/entry_cursor.h"

#include <algorithm>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden::entry {
namespace {

// Entries in one step of a walk, after which the writer may add to the active page.
constexpr size_t kEntriesPerStep = 4096;

// Memory of a gathered entry besides key and payload.
constexpr size_t kGatheredOverheadBytes = 128;

// Gathers the smallest entries above a position that fit a number of bytes, and at least one.
class Gathering {
 public:
  explicit Gathering(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  void Add(const Position& position, absl::string_view payload) {
    if (dropped_ && !entries_.empty() && PositionOf(*std::prev(entries_.end())) < position) return;
    bytes_ += Bytes(position.key, payload);
    entries_.emplace(Key{std::string(position.key), position.sequence}, std::string(payload));
    while (bytes_ > limit_bytes_ && entries_.size() > 1) {
      const auto largest = std::prev(entries_.end());
      bytes_ -= Bytes(largest->first.key, largest->second);
      entries_.erase(largest);
      dropped_ = true;
    }
  }

  // Whether there were more entries than it holds.
  bool dropped() const { return dropped_; }

  // Visits the entries in order, and drops each after its visit.
  void Drain(absl::FunctionRef<void(const Position&, absl::string_view payload)> visit) {
    while (!entries_.empty()) {
      visit(PositionOf(*entries_.begin()), entries_.begin()->second);
      entries_.erase(entries_.begin());
    }
  }

 private:
  struct Key {
    std::string key;
    SequenceNumber sequence;
    friend bool operator<(const Key& a, const Key& b) {
      return Position{a.key, a.sequence} < Position{b.key, b.sequence};
    }
  };
  using Entries = absl::btree_map<Key, std::string>;

  static Position PositionOf(const Entries::value_type& entry) {
    return {entry.first.key, entry.first.sequence};
  }
  static uint64_t Bytes(absl::string_view key, absl::string_view payload) {
    return key.size() + payload.size() + kGatheredOverheadBytes;
  }

  const uint64_t limit_bytes_;
  uint64_t bytes_ = 0;
  bool dropped_ = false;
  Entries entries_;
};

}  // namespace

// Merges pages into one ordered sequence, from the cursor's position on.
class EntryCursor::Merge {
 public:
  explicit Merge(EntryCursor* cursor) : cursor_(cursor) {
    for (const auto& page : cursor->view_.pages) {
      if (page->page != nullptr) Open(*page->page, /*is_pass=*/false);
    }
    if (cursor->pass_ != nullptr) Open(*cursor->pass_, /*is_pass=*/true);
    std::make_heap(heap_.begin(), heap_.end(), Later);
    pass_ended_ = cursor->has_spilled_ && !pass_open_ && !cursor->pass_is_last_;
  }

  // The next entry; null at the end, or when another pass is needed first.
  const Slot* front() const { return heap_.empty() || pass_ended_ ? nullptr : &*heap_.front().at; }
  bool needs_pass() const { return pass_ended_; }

  void PopFront() {
    Source& first = heap_.front();
    if (++first.at == first.end) {
      if (first.is_pass && !cursor_->pass_is_last_) pass_ended_ = true;
      std::pop_heap(heap_.begin(), heap_.end(), Later);
      heap_.pop_back();
      return;
    }
    // Mostly the next entry is in the same page.
    const bool leads =
        std::none_of(heap_.begin() + 1, heap_.begin() + std::min<size_t>(3, heap_.size()),
                     [&first](const Source& other) { return Later(first, other); });
    if (leads) return;
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }

 private:
  struct Source {
    Page::Iterator at;
    Page::Iterator end;
    bool is_pass;
  };
  static bool Later(const Source& a, const Source& b) {
    return b.at->position() < a.at->position();
  }

  void Open(const Page& page, bool is_pass) {
    const auto from = cursor_->begun_ ? page.After({cursor_->at_key_, cursor_->at_sequence_})
                                      : page.From({cursor_->range_.first_key, UINT64_MAX});
    if (from == page.end()) return;
    heap_.push_back({from, page.end(), is_pass});
    pass_open_ |= is_pass;
  }

  EntryCursor* const cursor_;
  std::vector<Source> heap_;
  bool pass_open_ = false;
  bool pass_ended_ = false;
};

EntryCursor::EntryCursor(std::shared_ptr<const EntryTable> table, PageView view, CursorRange range)
    : table_(std::move(table)),
      view_(std::move(view)),
      range_(std::move(range)),
      uncounted_(UINT64_MAX) {
  for (const auto& page : view_.pages) has_spilled_ |= page->page == nullptr;
}

EntryCursor::~EntryCursor() { table_->memory().passes().Release(pass_charged_); }

absl::Status EntryCursor::CheckStillThere() const {
  return table_->finalized_through() < view_.gone_at ? absl::OkStatus() : FinalizedMeanwhile();
}

absl::Status EntryCursor::FinalizedMeanwhile() const {
  return MakeError(absl::StatusCode::kAborted, ErrorReason::kFlushFinalized,
                   absl::StrCat("table ", table_->table(), " was finalized through ",
                                table_->finalized_through(),
                                " while entries through there were streamed: what is "
                                "left is in a newer Flush or Scan"),
                   {{"finalized_through", absl::StrCat(table_->finalized_through())}});
}

absl::StatusOr<ReadProgress> EntryCursor::Next(const ReadLimits& limits,
                                               absl::FunctionRef<void(const RecordView&)> visit) {
  if (has_spilled_ && pass_ == nullptr) {
    const absl::Status status = ReadPass();
    if (!status.ok()) return status;
  }
  if (const absl::Status status = CheckStillThere(); !status.ok()) return status;
  Step step = Step::kMore;
  const auto walk = [&] { step = Walk(limits, visit); };
  if (view_.has_active) {
    table_->WithPagesStill(walk);
  } else {
    walk();
  }
  switch (step) {
    case Step::kNeedsPass:
      pass_ = nullptr;
      return ReadProgress::kMore;
    case Step::kTooLarge:
      return ReadProgress::kTooLarge;
    case Step::kMore:
      return ReadProgress::kMore;
    case Step::kFinished:
      break;
  }
  return ReadProgress::kFinished;
}

bool EntryCursor::Shown(const Slot& newest) const {
  return range_.with_hidden || !Decode(newest.payload())->hidden_at(*range_.newest_at_unix_ms);
}

EntryCursor::Step EntryCursor::Walk(const ReadLimits& limits,
                                    absl::FunctionRef<void(const RecordView&)> visit) {
  Merge merge(this);
  Step step = Step::kFinished;
  size_t records = 0;
  size_t payload_bytes = 0;
  Position last;
  absl::string_view decided = decided_key_;
  for (size_t seen = 0; const Slot* slot = merge.front(); ++seen) {
    if (!BeforeEnd(slot->key())) break;
    if (records == limits.max_records || payload_bytes >= limits.max_payload_bytes ||
        seen == kEntriesPerStep) {
      step = Step::kMore;
      break;
    }
    const bool counts = slot->sequence() <= view_.through;
    const bool wanted =
        counts && (!range_.newest_at_unix_ms || (decided != slot->key() && Shown(*slot)));
    if (wanted && slot->payload().size() > limits.max_record_bytes) {
      too_large_bytes_ = slot->payload().size();
      too_large_sequence_ = slot->sequence();
      step = Step::kTooLarge;
      break;
    }
    if (counts) decided = slot->key();
    if (wanted) {
      visit({.table = table_->table(), .sequence = slot->sequence(), .payload = slot->payload()});
      ++records;
      payload_bytes += slot->payload().size();
    }
    last = slot->position();
    merge.PopFront();
  }
  if (!last.key.empty()) {
    begun_ = true;
    at_key_ = std::string(last.key);
    at_sequence_ = last.sequence;
    decided_key_ = std::string(decided);
  }
  return step == Step::kFinished && merge.needs_pass() ? Step::kNeedsPass : step;
}

// Gathers the next entries of the spilled pages. Half of the memory is for gathering, half for the
// page that is made of them.
absl::Status EntryCursor::ReadPass() {
  EntryMemory& memory = table_->memory();
  if (pass_charged_ == 0) {
    if (!memory.passes().TryAcquire(memory.pass_bytes())) {
      return MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kEntryMemoryFull,
                       "too many calls read entries that are in the log only; try again later",
                       {{"field", "entries.total_memory"},
                        {"value", absl::StrCat(memory.passes().used())},
                        {"limit", absl::StrCat(memory.passes().limit())}});
    }
    pass_charged_ = memory.pass_bytes();
  }
  const Position after{at_key_, at_sequence_};
  Gathering gathering(pass_charged_ / 2);
  for (const auto& page : view_.pages) {
    if (page->page != nullptr) continue;
    const absl::Status status = VisitEntries(
        table_->log(), {.table = table_->table(), .first = page->first, .last = page->last},
        [this] { return table_->abandoned(); },
        [&](const RecordView& record, const EntryView& entry) {
          if (entry.kind == RecordKind::kFlushMarker) return;
          const Position position{entry.key, record.sequence};
          const bool ahead = begun_ ? after < position : !(entry.key < range_.first_key);
          if (ahead && BeforeEnd(entry.key)) gathering.Add(position, record.payload);
        });
    if (HasReason(status, ErrorReason::kRecordsGone)) return FinalizedMeanwhile();
    if (!status.ok()) return status;
  }
  pass_is_last_ = !gathering.dropped();
  pass_ = std::make_unique<Page>(&uncounted_);
  gathering.Drain([this](const Position& position, absl::string_view payload) {
    pass_->Insert(position.sequence, payload, Decode(payload)->key);
  });
  return absl::OkStatus();
}

}  // namespace walden::entry
