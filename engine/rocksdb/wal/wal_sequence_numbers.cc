#include "engine/rocksdb/wal/wal_sequence_numbers.h"

#include <algorithm>

#include "engine/rocksdb/keys/key_codec.h"

namespace walden::rocks {

bool WalSequenceNumbers::Take(const WalRecord& record) {
  return rocksdb::WriteBatch(record.batch).Iterate(this).ok();
}

rocksdb::Status WalSequenceNumbers::PutCF(uint32_t, const rocksdb::Slice& key,
                                          const rocksdb::Slice&) {
  const auto log_key = DecodeLogKey({key.data(), key.size()});
  if (!log_key || log_key->namespace_id != id_ ||
      log_key->region != region_.value_or(log_key->region)) {
    return rocksdb::Status::OK();
  }
  const auto [it, is_new] =
      newest_.try_emplace({log_key->region, log_key->table}, log_key->sequence);
  if (!is_new) NoteMissing(it->second + 1, log_key->sequence - 1);
  it->second = std::max(it->second, log_key->sequence);
  return rocksdb::Status::OK();
}

void WalSequenceNumbers::EndsAt(RegionId region, const std::vector<TableState>& tables) {
  for (const TableState& state : tables) {
    const auto it = newest_.find({region, state.table});
    if (it != newest_.end()) NoteMissing(it->second + 1, state.last_live);
  }
}

void WalSequenceNumbers::NoteMissing(SequenceNumber first, SequenceNumber last) {
  if (first > last) return;
  first_ = first_ == 0 ? first : std::min(first_, first);
  last_ = std::max(last_, last);
}

}  // namespace walden::rocks
