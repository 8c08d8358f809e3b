// The functions of an entry table that read its pages.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/entry/entry_table.h"

namespace walden::entry {
namespace {

RecordView RecordOf(TableId table, const Slot& slot) {
  return {.table = table, .sequence = slot.sequence(), .payload = slot.payload()};
}

}  // namespace

std::optional<std::vector<size_t>> EntryTable::GetFromMemory(
    absl::Span<const absl::string_view> keys,
    absl::FunctionRef<void(size_t index, const RecordView& record)> visit) const {
  std::vector<size_t> unknown;
  absl::ReaderMutexLock lock(&mutex_);
  if (state_ != State::kReady) return std::nullopt;
  for (size_t i = 0; i < keys.size(); ++i) {
    const Slot* found = active_ == nullptr ? nullptr : active_->page->Newest(keys[i]);
    for (auto page = sealed_.rbegin(); found == nullptr && page != sealed_.rend(); ++page) {
      if ((*page)->page == nullptr) {
        unknown.push_back(i);
        break;
      }
      found = (*page)->page->Newest(keys[i]);
    }
    if (found != nullptr) visit(i, RecordOf(table_, *found));
  }
  return unknown;
}

absl::StatusOr<bool> EntryTable::GetFromLog(
    absl::Span<const absl::string_view> keys,
    absl::FunctionRef<void(size_t index, const RecordView& record)> visit) const {
  PageView view;
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (state_ != State::kReady) return false;
    view = ViewThrough(kMaxSequenceNumber);
  }
  absl::flat_hash_map<absl::string_view, std::vector<size_t>> wanted;
  for (size_t i = 0; i < keys.size(); ++i) wanted[keys[i]].push_back(i);
  // Reads the newest page first. The pages newer than the first spilled one were searched before;
  // to search them again finds at most newer entries.
  for (auto page = view.pages.rbegin(); page != view.pages.rend() && !wanted.empty(); ++page) {
    absl::flat_hash_map<absl::string_view, std::pair<SequenceNumber, std::string>> found;
    if ((*page)->page == nullptr) {
      const absl::Status status = VisitEntries(
          *log_, {.table = table_, .first = (*page)->first, .last = (*page)->last},
          [this] { return abandoned(); },
          [&](const RecordView& record, const EntryView& entry) {
            const auto key = wanted.find(entry.key);
            if (key == wanted.end()) return;
            found[key->first] = {record.sequence, std::string(record.payload)};
          });
      // The entries were finalized meanwhile: the pages are made again.
      if (HasReason(status, ErrorReason::kRecordsGone)) return false;
      if (!status.ok()) return status;
    } else if (!view.has_active || page != view.pages.rbegin()) {
      for (const auto& [key, indexes] : wanted) {
        const Slot* const slot = (*page)->page->Newest(key);
        if (slot != nullptr) found[key] = {slot->sequence(), std::string(slot->payload())};
      }
    }
    for (const auto& [key, record] : found) {
      for (const size_t index : wanted[key]) {
        visit(index, {.table = table_, .sequence = record.first, .payload = record.second});
      }
      wanted.erase(key);
    }
  }
  return true;
}

PageView EntryTable::ViewThrough(SequenceNumber through) const {
  PageView view{.through = through};
  const auto add = [&view](const std::shared_ptr<const TablePage>& page) {
    view.entries += page->entries;
    view.data_bytes += page->data_bytes;
    if (page->page == nullptr) view.gone_at = std::min(view.gone_at, page->first);
    view.pages.push_back(page);
  };
  for (const auto& page : sealed_) {
    if (page->last <= through) add(page);
  }
  if (active_ != nullptr && active_->first <= through) {
    add(active_);
    view.has_active = true;
  }
  return view;
}

std::optional<PageView> EntryTable::ViewAll() const {
  absl::ReaderMutexLock lock(&mutex_);
  if (state_ != State::kReady) return std::nullopt;
  return ViewThrough(applied_through_);
}

std::optional<TableSummary> EntryTable::Summary() const {
  absl::ReaderMutexLock lock(&mutex_);
  if (state_ != State::kReady) return std::nullopt;
  const PageView view = ViewThrough(applied_through_);
  TableSummary summary{.finalized_through = finalized_through(),
                       .through = applied_through_,
                       .entries = view.entries,
                       .data_bytes = view.data_bytes,
                       .memory_bytes = HeldBytes()};
  for (const auto& page : view.pages) {
    if (page->page == nullptr) summary.spilled_entries += page->entries;
  }
  for (const auto& [flush, consumed] : flushes_) summary.flushes.push_back(flush);
  return summary;
}

std::optional<EntryTable::FlushPlan> EntryTable::PlanFlush() const {
  absl::ReaderMutexLock lock(&mutex_);
  if (state_ != State::kReady) return std::nullopt;
  FlushPlan plan;
  if (active_ != nullptr) return plan;
  plan.nothing = sealed_.empty();
  if (!plan.nothing && !flushes_.empty() && flushes_.rbegin()->first >= sealed_.back()->last) {
    plan.reuse = flushes_.rbegin()->first;
  }
  return plan;
}

absl::StatusOr<std::optional<PageView>> EntryTable::BeginFlush(SequenceNumber flush) {
  absl::MutexLock lock(&mutex_);
  if (flush <= finalized_through()) {
    return MakeError(absl::StatusCode::kAborted, ErrorReason::kFlushFinalized,
                     absl::StrCat("flush ", flush, " of table ", table_,
                                  " was finalized meanwhile, with a newer one; flush again"),
                     {{"field", "flush_id"}, {"value", absl::StrCat(flush)}});
  }
  if (state_ != State::kReady) return std::nullopt;
  if (Straddled(flush)) {
    return MakeError(
        absl::StatusCode::kAborted, ErrorReason::kFlushFinalized,
        absl::StrCat("an older flush of table ", table_, " was finalized before flush ", flush,
                     " began to stream, and its pages were made again; flush again"),
        {{"field", "flush_id"}, {"value", absl::StrCat(flush)}});
  }
  PageView view = ViewThrough(flush);
  view.gone_at = std::min(view.gone_at, flush);
  return view;
}

void EntryTable::FlushConsumed(SequenceNumber flush) {
  absl::MutexLock lock(&mutex_);
  const auto found = flushes_.find(flush);
  if (found != flushes_.end()) found->second = true;
}

std::optional<SequenceNumber> EntryTable::SealUnmarked() {
  absl::MutexLock lock(&mutex_);
  if (state_ != State::kReady) return std::nullopt;
  SealActive();
  NoteHeld();
  if (sealed_.empty()) return 0;
  const SequenceNumber last = sealed_.back()->last;
  flushes_.emplace(last, false);
  return last;
}

void EntryTable::WithPagesStill(absl::FunctionRef<void()> walk) const {
  absl::ReaderMutexLock lock(&mutex_);
  walk();
}

}  // namespace walden::entry
