#include "server/read/last_records.h"

#include <algorithm>

namespace walden {
namespace {

// Reads a table's records from `first` through `last`. Returns how many there are, or `limit` if
// there are as many, and the number of the last one that was counted.
struct Count {
  uint64_t records = 0;
  SequenceNumber last = 0;
};

absl::StatusOr<Count> CountRecords(const ReadableLog& log, const ReadRange& range, uint64_t limit,
                                   absl::FunctionRef<absl::Status()> go_on) {
  auto reader = log.NewReader(range);
  if (!reader.ok()) return reader.status();
  constexpr size_t kStepRecords = 4096;
  constexpr size_t kStepBytes = size_t{4} << 20;
  Count count;
  while (count.records < limit) {
    if (absl::Status status = go_on(); !status.ok()) return status;
    const auto progress =
        (*reader)->Next({.max_records = std::min<uint64_t>(kStepRecords, limit - count.records),
                         .max_payload_bytes = kStepBytes},
                        [&count](const RecordView& record) {
                          ++count.records;
                          count.last = record.sequence;
                        });
    if (!progress.ok()) return progress.status();
    if (*progress == ReadProgress::kAtEnd || *progress == ReadProgress::kFinished) break;
  }
  return count;
}

}  // namespace

absl::StatusOr<SequenceNumber> FirstOfLastRecords(const ReadableLog& log, TableId table,
                                                  uint64_t count,
                                                  absl::FunctionRef<absl::Status()> go_on) {
  const TablePosition position = log.Position(table);
  ReadRange range{.table = table, .last = position.next - 1, .skip_deleted = true};
  const uint64_t numbers = position.next - position.first;
  // Looks back over so many numbers, and over twice as many while they hold too few records.
  for (uint64_t window = std::min(count, numbers);; window = std::min(2 * window, numbers)) {
    if (window == 0) return position.next;
    range.first = position.next - window;
    const auto found = CountRecords(log, range, UINT64_MAX, go_on);
    if (!found.ok()) return found.status();
    if (found->records <= count) {
      if (found->records == count || window == numbers) return range.first;
      continue;
    }
    const auto first = CountRecords(log, range, found->records - count + 1, go_on);
    if (!first.ok()) return first.status();
    return first->last;
  }
}

}  // namespace walden
