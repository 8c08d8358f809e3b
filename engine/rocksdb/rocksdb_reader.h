// LogReader over a region's tables (engine/log_engine.h). One thread at a time. Holds no iterator
// and no lock between two calls.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"

#include "engine/log_engine.h"
#include "engine/rocksdb/keys/table_seek.h"
#include "engine/rocksdb/namespace_state.h"
#include "engine/rocksdb/published_tables.h"

namespace walden::rocks {

class RocksdbReader final : public LogReader {
 public:
  RocksdbReader(std::shared_ptr<const NamespaceState> space, RegionId region,
                std::shared_ptr<const PublishedTables> tables, const ReadRange& range);

  absl::StatusOr<ReadProgress> Next(const ReadLimits& limits,
                                    absl::FunctionRef<void(const RecordView&)> visit) override;
  size_t too_large_bytes() const override { return too_large_bytes_; }
  SequenceNumber too_large_sequence() const override { return too_large_sequence_; }
  void EndHere() override;

 private:
  struct Budget {
    size_t records;
    size_t bytes;
    size_t largest_record;
    absl::FunctionRef<void(const RecordView&)> visit;
    bool visited = false;
    bool too_large = false;  // the next record is
    bool gone = false;       // the next record was deleted from the database
    bool spent() const { return records == 0 || bytes == 0 || too_large; }
  };

  absl::StatusOr<ReadProgress> Walk(rocksdb::DB& db, Budget& budget);
  // Reads what is visible of the table until the budget is spent.
  absl::Status ReadTable(rocksdb::DB& db, BoundedIterator& at, TableId table, SequenceNumber last,
                         Budget& budget);
  // The records through this mark were deleted before they were read.
  absl::StatusOr<ReadProgress> Gone(TableId table, SequenceNumber through, const Budget& budget);
  SequenceNumber LastOf(TableId table, const PublishedTable& published) const;
  SequenceNumber& Wanted(TableId table);
  absl::Status Damaged(rocksdb::DB& db, const rocksdb::Status& status, TableId table,
                       const PublishedTable& published) const;

  const std::shared_ptr<const NamespaceState> space_;
  const RegionId region_;
  const std::shared_ptr<const PublishedTables> tables_;
  const ReadRange range_;

  std::map<TableId, SequenceNumber> wanted_;            // lowest number still wanted of each table
  absl::flat_hash_map<TableId, SequenceNumber> marks_;  // all tables: as of the start
  // EndHere: the last record of each table.
  std::optional<absl::flat_hash_map<TableId, SequenceNumber>> ends_;
  TableId turn_ = 0;  // all tables: the table to read next
  size_t too_large_bytes_ = 0;
  SequenceNumber too_large_sequence_ = 0;
};

// The table's mark in the database, which may be higher than the published one. It is at least the
// mark that any iterator made before this call sees.
absl::StatusOr<SequenceNumber> StoredMark(rocksdb::DB& db, RegionId region, TableId table,
                                          const std::string& shown_directory);

// Adds to `damage` the range of the table's records that a damaged table file may hold, by
// RocksDB's list of files.
void AddLostRecords(rocksdb::DB& db, NamespaceId id, RegionId region, TableId table,
                    DamagedRange& damage);

}  // namespace walden::rocks
