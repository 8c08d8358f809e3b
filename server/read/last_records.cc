#include "server/read/last_records.h"

#include <algorithm>
#include <deque>

namespace walden {
namespace {

// The last `count` numbers of the records of a range, or all if there are fewer.
absl::StatusOr<std::deque<SequenceNumber>> LastNumbers(const ReadableLog& log,
                                                       const ReadRange& range, uint64_t count,
                                                       absl::FunctionRef<absl::Status()> go_on) {
  auto reader = log.NewReader(range);
  if (!reader.ok()) return reader.status();
  std::deque<SequenceNumber> numbers;
  while (true) {
    if (absl::Status status = go_on(); !status.ok()) return status;
    constexpr size_t kStepRecords = 4096;
    constexpr size_t kStepBytes = size_t{4} << 20;
    const auto progress =
        (*reader)->Next({.max_records = kStepRecords, .max_payload_bytes = kStepBytes},
                        [&](const RecordView& record) {
                          numbers.push_back(record.sequence);
                          if (numbers.size() > count) numbers.pop_front();
                        });
    if (!progress.ok()) return progress.status();
    if (*progress == ReadProgress::kAtEnd || *progress == ReadProgress::kFinished) return numbers;
  }
}

}  // namespace

absl::StatusOr<SequenceNumber> FirstOfLastRecords(const ReadableLog& log, TableId table,
                                                  uint64_t count,
                                                  absl::FunctionRef<absl::Status()> go_on) {
  const TablePosition position = log.Position(table);
  ReadRange range{.table = table, .last = position.next - 1, .skip_deleted = true};
  const uint64_t numbers = position.next - position.first;
  if (numbers <= count) return position.first;
  // Looks back over so many numbers, and over twice as many while they hold too few records.
  for (uint64_t window = count;; window = std::min(2 * window, numbers)) {
    range.first = position.next - window;
    const auto found = LastNumbers(log, range, count, go_on);
    if (!found.ok()) return found.status();
    if (found->size() == count) return found->front();
    if (window == numbers) return range.first;
  }
}

}  // namespace walden
