#include "engine/entry/table_page.h"

#include "engine/wait.h"

#include <utility>

namespace walden::entry {
namespace {

constexpr size_t kStepBytes = size_t{1} << 20;

// Builds pages from the entries of a log.
class Loader {
 public:
  Loader(EntryMemory& memory, const LoadMemory& held) : memory_(memory), held_(held) {}
  ~Loader() { held_.loading.store(0); }

  void Add(const RecordView& record, const EntryView& entry) {
    if (entry.kind == RecordKind::kFlushMarker) {
      loaded_.flushes.push_back(record.sequence);
      if (!spilled_) Seal();
      return;
    }
    if (current_ == nullptr) current_ = std::make_shared<TablePage>(&memory_.pages());
    current_->Add(record.sequence, record.payload, entry);
    if (spilled_) return;
    held_.loading.store(sealed_bytes_ + current_->memory_bytes());
    if (Full()) {
      current_->page = nullptr;
      spilled_ = true;
      held_.loading.store(sealed_bytes_);
    } else if (current_->memory_bytes() >= memory_.limits().page_bytes) {
      Seal();
    }
  }

  LoadedPages Finish() {
    Seal();
    return std::move(loaded_);
  }

 private:
  bool Full() const {
    return sealed_bytes_ + current_->memory_bytes() + held_.beside.load() >
               memory_.limits().table_bytes ||
           memory_.pages().used() > memory_.pages().limit();
  }

  void Seal() {
    if (current_ == nullptr) return;
    sealed_bytes_ += current_->memory_bytes();
    loaded_.pages.push_back(std::move(current_));
    current_ = nullptr;
  }

  EntryMemory& memory_;
  const LoadMemory held_;
  LoadedPages loaded_;
  std::shared_ptr<TablePage> current_;
  uint64_t sealed_bytes_ = 0;
  bool spilled_ = false;
};

}  // namespace

void TablePage::Add(SequenceNumber sequence, absl::string_view payload, const EntryView& entry) {
  if (first == 0) first = sequence;
  last = sequence;
  ++entries;
  data_bytes += entry.key.size() + entry.value.size();
  if (page != nullptr) page->Insert(sequence, payload, entry.key);
}

absl::Status VisitEntries(
    const RegionLog& log, const LoadRange& range, absl::FunctionRef<bool()> stop,
    absl::FunctionRef<void(const RecordView& record, const EntryView& entry)> visit) {
  if (range.first > range.last) return absl::OkStatus();
  const auto reader =
      log.NewReader({.table = range.table, .first = range.first, .last = range.last});
  if (!reader.ok()) return reader.status();
  absl::Status status;
  const auto on_record = [&](const RecordView& record) {
    const std::optional<EntryView> entry = Decode(record.payload);
    if (entry.has_value()) {
      visit(record, *entry);
    } else {
      status.Update(NotAnEntry(range.table, record.sequence));
    }
  };
  while (status.ok()) {
    if (stop()) return absl::AbortedError("stopped");
    const auto progress = NextAndWait(**reader, {.max_payload_bytes = kStepBytes}, on_record);
    if (!progress.ok()) return progress.status();
    if (*progress != ReadProgress::kMore) break;
  }
  return status;
}

absl::StatusOr<LoadedPages> LoadPages(const RegionLog& log, const LoadRange& range,
                                      EntryMemory& memory, const LoadMemory& held,
                                      absl::FunctionRef<bool()> stop) {
  Loader loader(memory, held);
  const absl::Status status = VisitEntries(
      log, range, stop,
      [&](const RecordView& record, const EntryView& entry) { loader.Add(record, entry); });
  if (!status.ok()) return status;
  return loader.Finish();
}

}  // namespace walden::entry
