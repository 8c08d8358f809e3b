// Collects the sequence numbers in RocksDB's write-ahead log, to find the numbers that damage took
// out of it. One thread at a time.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/description.h"
#include "engine/rocksdb/wal/wal_parser.h"
#include "engine/types.h"
#include "rocksdb/write_batch.h"

namespace walden::rocks {

class WalSequenceNumbers final : private rocksdb::WriteBatch::Handler {
 public:
  // Collects numbers of one region, or of all regions if `region` is nullopt.
  WalSequenceNumbers(NamespaceId id, std::optional<RegionId> region) : id_(id), region_(region) {}

  // Adds the records of a write. Writes come in log order. False: the bytes are not a valid write.
  bool Take(const WalRecord& record);

  // Notes as missing, for each table of the region, the numbers after its last record in the log,
  // through its last live one.
  void EndsAt(RegionId region, const std::vector<TableState>& tables);

  // The lowest and the highest missing number of all tables; 0, 0 if none is missing.
  SequenceNumber first() const { return first_; }
  SequenceNumber last() const { return last_; }

 private:
  rocksdb::Status PutCF(uint32_t, const rocksdb::Slice& key, const rocksdb::Slice&) override;
  rocksdb::Status DeleteCF(uint32_t, const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteRangeCF(uint32_t, const rocksdb::Slice&, const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
  void LogData(const rocksdb::Slice&) override {}

  void NoteMissing(SequenceNumber first, SequenceNumber last);

  const NamespaceId id_;
  const std::optional<RegionId> region_;
  std::map<std::pair<RegionId, TableId>, SequenceNumber> newest_;
  SequenceNumber first_ = 0;
  SequenceNumber last_ = 0;
};

}  // namespace walden::rocks
