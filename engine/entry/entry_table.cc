#include "engine/entry/entry_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden::entry {
namespace {

bool IsMarker(const TableAppend& append) {
  return append.payloads.size() == 1 && append.payloads[0] == FlushMarker();
}

}  // namespace

EntryTable::EntryTable(TableId table, std::shared_ptr<const RegionLog> log,
                       const EntryEnvironment& environment)
    : table_(table),
      log_(std::move(log)),
      environment_(environment),
      finalized_(log_->Position(table).deleted_through) {}

// ---------------------------------------------------------------------------------------------------
// Loading

void EntryTable::WhenReady(std::function<void(const absl::Status&)> ready) {
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kReady) {
      if (state_ != State::kLoading) StartLoading();
      // A table without entries is ready at once.
      if (state_ != State::kReady) {
        waiting_.push_back(std::move(ready));
        return;
      }
    }
  }
  ready(absl::OkStatus());
}

// The caller holds the lock, so each record is either covered by loading or applied afterwards: the
// writer applies a record only after it became visible.
void EntryTable::StartLoading() {
  const TablePosition position = log_->Position(table_);
  ForgetPages();
  load_through_ = position.next - 1;
  applied_through_ = load_through_;
  if (position.first == position.next) {
    state_ = State::kReady;
    return;
  }
  state_ = State::kLoading;
  environment_.loader->Post([self = shared_from_this()] { self->Load(); });
}

void EntryTable::Load() {
  LoadRange range{.table = table_};
  uint64_t number = 0;
  {
    absl::MutexLock lock(&mutex_);
    // The log's mark is raised before the writer calls Finalized.
    range.first = std::max(finalized_through(), log_->Position(table_).deleted_through) + 1;
    range.last = load_through_;
    number = load_number_;
  }
  absl::StatusOr<LoadedPages> loaded =
      LoadPages(*log_, range, memory(), {.loading = loading_bytes_, .beside = live_bytes_},
                [this] { return abandoned(); });
  if (absl::IsAborted(loaded.status())) {
    loaded = MakeError(absl::StatusCode::kUnavailable, ErrorReason::kRegionClosed,
                       absl::StrCat("the region of table ", table_,
                                    " was closed while its entries were read; try again"));
  }
  std::vector<std::function<void(const absl::Status&)>> waiting;
  {
    absl::MutexLock lock(&mutex_);
    // A flush was finalized meanwhile.
    if (number != load_number_ || HasReason(loaded.status(), ErrorReason::kRecordsGone)) {
      environment_.loader->Post([self = shared_from_this()] { self->Load(); });
      return;
    }
    waiting.swap(waiting_);
    if (loaded.ok()) {
      FinishLoading(*std::move(loaded));
    } else {
      ForgetPages();
      state_ = State::kFailed;
      failed_ = loaded.status();
    }
  }
  for (const auto& ready : waiting) ready(loaded.ok() ? absl::OkStatus() : loaded.status());
}

// Adds the entries that were put meanwhile after the loaded pages.
void EntryTable::FinishLoading(LoadedPages loaded) {
  for (const auto& page : loaded.pages) sealed_bytes_ += page->memory_bytes();
  loaded.pages.insert(loaded.pages.end(), std::make_move_iterator(sealed_.begin()),
                      std::make_move_iterator(sealed_.end()));
  sealed_ = std::move(loaded.pages);
  // Clients of an earlier process may have consumed these flushes, so they may be finalized.
  for (const SequenceNumber flush : loaded.flushes) flushes_.emplace(flush, true);
  state_ = State::kReady;
  NoteHeld();
}

void EntryTable::ForgetPages() {
  sealed_.clear();
  sealed_bytes_ = 0;
  active_ = nullptr;
  NoteHeld();
}

// ---------------------------------------------------------------------------------------------------
// The writer

absl::Status EntryTable::Reserve(const TableAppend& append, uint64_t* reserved_bytes) {
  uint64_t payload_bytes = 0;
  for (const absl::string_view payload : append.payloads) payload_bytes += payload.size();
  const uint64_t bytes =
      IsMarker(append) ? 0 : Page::WorstCaseBytes(payload_bytes, append.payloads.size());
  absl::MutexLock lock(&mutex_);
  if (state_ == State::kCold) StartLoading();
  *reserved_bytes = 0;
  if (bytes == 0) return absl::OkStatus();
  if (state_ == State::kFailed) return failed_;
  if (HasSpilled() || HeldBytes() + bytes > memory().limits().table_bytes) return MemoryFull(true);
  if (!memory().pages().TryAcquire(bytes)) return MemoryFull(false);
  reserved_bytes_ += bytes;
  NoteHeld();
  *reserved_bytes = bytes;
  return absl::OkStatus();
}

absl::Status EntryTable::MemoryFull(bool of_table) const {
  const EntryMemoryLimits& limits = memory().limits();
  const uint64_t used = of_table ? HeldBytes() : memory().pages().used();
  const uint64_t limit = of_table ? limits.table_bytes : memory().pages().limit();
  return MakeError(
      absl::StatusCode::kResourceExhausted, ErrorReason::kEntryMemoryFull,
      absl::StrCat("entries that are not finalized take ", used, " of the ", limit, " bytes for ",
                   of_table ? absl::StrCat("table ", table_) : "all tables",
                   of_table && HasSpilled() ? ", and more of them are in the log only" : "",
                   ": Flush the table, store what it streams, then Finalize; nothing was stored"),
      {{"field", of_table ? "entries.table_memory" : "entries.total_memory"},
       {"value", absl::StrCat(used)},
       {"limit", absl::StrCat(limit)}});
}

bool EntryTable::HasSpilled() const {
  return std::any_of(sealed_.begin(), sealed_.end(),
                     [](const auto& page) { return page->page == nullptr; });
}

bool EntryTable::Straddled(SequenceNumber through) const {
  return std::any_of(sealed_.begin(), sealed_.end(), [through](const auto& page) {
    return page->first <= through && through < page->last;
  });
}

uint64_t EntryTable::HeldBytes() const { return live_bytes_.load() + loading_bytes_.load(); }

void EntryTable::NoteHeld() {
  live_bytes_.store(sealed_bytes_ + (active_ == nullptr ? 0 : active_->memory_bytes()) +
                    reserved_bytes_);
}

void EntryTable::Applied(const TableAppend& append, const AppendResult& result,
                         uint64_t reserved_bytes) {
  absl::MutexLock lock(&mutex_);
  reserved_bytes_ -= reserved_bytes;
  memory().pages().Release(reserved_bytes);
  if (!result.status.ok() || result.duplicate) return;
  // Loading may have found it before, and taken it for one that was streamed.
  if (IsMarker(append)) flushes_[append.first] = false;
  if (state_ != State::kReady && state_ != State::kLoading) return;  // loading will find it
  for (size_t i = 0; i < append.payloads.size(); ++i) {
    Apply(append.first + i, append.payloads[i]);
  }
  NoteHeld();
}

void EntryTable::Apply(SequenceNumber sequence, absl::string_view payload) {
  if (sequence <= load_through_) return;
  applied_through_ = sequence;
  const std::optional<EntryView> entry = Decode(payload);
  if (!entry.has_value()) return;  // only entries and markers are appended to these tables
  if (entry->kind == RecordKind::kFlushMarker) {
    SealActive();
    return;
  }
  if (active_ == nullptr) active_ = std::make_shared<TablePage>(&memory().pages());
  active_->Add(sequence, payload, *entry);
  if (active_->memory_bytes() >= memory().limits().page_bytes) SealActive();
}

void EntryTable::SealActive() {
  if (active_ == nullptr) return;
  sealed_bytes_ += active_->memory_bytes();
  sealed_.push_back(std::move(active_));
  active_ = nullptr;
}

absl::Status EntryTable::CheckFinalize(SequenceNumber flush) const {
  absl::ReaderMutexLock lock(&mutex_);
  if (flush <= finalized_through()) return absl::OkStatus();
  const auto found = flushes_.find(flush);
  if (found == flushes_.end()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kUnknownFlush,
                     absl::StrCat("flush_id ", flush, " is no flush of table ", table_,
                                  ": finalize what Flush answered, or flush again"),
                     {{"field", "flush_id"}, {"value", absl::StrCat(flush)}});
  }
  if (!found->second) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, ErrorReason::kFlushNotConsumed,
        absl::StrCat("flush ", flush, " of table ", table_,
                     " was not streamed to its end: finalizing it could lose entries; read its "
                     "stream through the summary, or flush again"),
        {{"field", "flush_id"}, {"value", absl::StrCat(flush)}});
  }
  return absl::OkStatus();
}

void EntryTable::Finalized(SequenceNumber through) {
  absl::MutexLock lock(&mutex_);
  if (through <= finalized_through()) return;
  finalized_.store(through, std::memory_order_release);
  flushes_.erase(flushes_.begin(), flushes_.upper_bound(through));
  ++load_number_;
  const bool straddled = state_ == State::kReady && Straddled(through);
  if (HasSpilled() || straddled || state_ == State::kFailed) {
    // The pages are made again: the rest may fit now, an unreadable part may be gone, and a page
    // that ends after the mark holds finalized entries.
    ForgetPages();
    state_ = State::kCold;
    return;
  }
  std::erase_if(sealed_, [through](const auto& page) { return page->last <= through; });
  sealed_bytes_ = 0;
  for (const auto& page : sealed_) sealed_bytes_ += page->memory_bytes();
  NoteHeld();
}

}  // namespace walden::entry
