#include "cli/client/confirmed_appends.h"

namespace walden::cli {

uint64_t RecordCount(const v1::AppendRequest& request) {
  uint64_t records = 0;
  for (const v1::TableAppend& table : request.tables()) {
    records += static_cast<uint64_t>(table.payloads_size());
  }
  return records;
}

void ConfirmedAppends::Add(const v1::AppendRequest& request, const v1::AppendResponse& response) {
  absl::MutexLock lock(&mutex_);
  ++totals_.batches;
  totals_.records += RecordCount(request);
  if (response.duplicate()) ++totals_.duplicate_batches;
  if (!response.durable()) totals_.all_durable = false;
  for (const v1::TableRange& numbers : response.tables()) {
    Range& range = totals_.tables[numbers.table_id()];
    if (range.first_sequence == 0) range.first_sequence = numbers.first_sequence();
    range.last_sequence = numbers.last_sequence();
  }
}

uint64_t ConfirmedAppends::records() const {
  absl::MutexLock lock(&mutex_);
  return totals_.records;
}

uint64_t ConfirmedAppends::last_sequence(uint64_t table) const {
  absl::MutexLock lock(&mutex_);
  const auto found = totals_.tables.find(table);
  return found == totals_.tables.end() ? 0 : found->second.last_sequence;
}

ConfirmedAppends::Totals ConfirmedAppends::totals() const {
  absl::MutexLock lock(&mutex_);
  return totals_;
}

}  // namespace walden::cli
