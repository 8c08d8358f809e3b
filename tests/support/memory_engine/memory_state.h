// What a region of the engine in memory is: changes, and the numbers that they come to.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/common/producer_table.h"
#include "engine/log_engine.h"
#include "engine/types.h"

namespace walden {

// One change, which is made as a whole or not at all. Never changed after it was made. Its parts take
// effect in this order.
struct MemoryChange {
  struct Record {
    TableId table = 0;
    SequenceNumber sequence = 0;
    int64_t unix_micros = 0;  // when it was appended
    std::string payload;
  };

  std::optional<uint64_t> region_version;
  std::vector<TableMark> marks;
  std::vector<std::pair<TableId, TableKind>> kinds;
  std::vector<std::pair<TableId, SequenceNumber>> next;  // raises the numbers of tables
  std::vector<Record> records;
  std::optional<ProducerBatch> batch;
  std::optional<uint64_t> producer_forgotten;
  std::optional<uint64_t> producer_issued;
};

// The numbers, kinds, producers and version that changes come to. One thread at a time.
struct MemoryState {
  struct Table {
    SequenceNumber next = 1;
    SequenceNumber last = 0;  // TablePosition::last
    SequenceNumber deleted_through = 0;
    int64_t last_unix_micros = 0;
    std::optional<TableKind> kind;

    bool known() const { return last > 0; }
  };

  std::map<TableId, Table> tables;
  ProducerTable producers;
  uint64_t activity = 0;  // order of producers
  uint64_t region_version = 0;

  void Apply(const MemoryChange& change);
  // A table that was never written if it is not known.
  Table Of(TableId table) const;
};

}  // namespace walden
