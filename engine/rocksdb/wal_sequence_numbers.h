// Which records the write-ahead log holds, and so which it lacks where it is damaged. One thread at
// a time.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "engine/rocksdb/published_tables.h"
#include "engine/rocksdb/wal_parser.h"
#include "engine/types.h"
#include "rocksdb/write_batch.h"

namespace walden::rocks {

class WalSequenceNumbers final : private rocksdb::WriteBatch::Handler {
 public:
  // Of one region, or of all.
  WalSequenceNumbers(NamespaceId id, std::optional<RegionId> region) : id_(id), region_(region) {}

  // Writes come in order. False: its bytes are no write.
  bool Take(const WalRecord& record);

  // What the tables' newest records say the log should end with.
  void EndsAt(RegionId region, const PublishedTables& tables);

  // The lowest and the highest number that some table lacks between two that are there; 0, 0 if
  // none does.
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

  void Lacks(SequenceNumber first, SequenceNumber last);

  const NamespaceId id_;
  const std::optional<RegionId> region_;
  std::map<std::pair<RegionId, TableId>, SequenceNumber> newest_;
  SequenceNumber first_ = 0;
  SequenceNumber last_ = 0;
};

}  // namespace walden::rocks
