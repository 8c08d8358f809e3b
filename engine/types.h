// Basic types of a log: ids, numbers and modes. docs/developers/architecture.md explains the words.
#pragma once

#include <cstdint>

namespace walden {

using NamespaceId = uint8_t;  // 1..255; 0 is reserved for metadata keys
using RegionId = uint64_t;
using TableId = uint64_t;

// Number of a record. The first one is 1; 0 means "none".
using SequenceNumber = uint64_t;

// The highest number a log may reach. One below the type's end, so that "one past the last" is
// always a number.
inline constexpr SequenceNumber kMaxSequenceNumber = UINT64_MAX - 1;

enum class Durability {
  kSync,      // answered after the records are durable
  kBuffered,  // answered after the records are written; durable soon after
};

// The kind of a table's payloads. A table's first append decides it for good.
enum class TableKind {
  kLog,      // the client's own bytes
  kEntries,  // row entries of the entry log
};

// The order of the records of a region, for readers of all tables.
enum class RecordOrder {
  kAppend,  // as they were appended, over all tables
  kTable,   // by table, then sequence
};

// How an engine opens a region in which stored bytes are damaged.
enum class RecoveryPolicy {
  // The region does not open. Every call to it is answered DATA_LOSS until an operator decides. For
  // logs in which no reader may pass over a hole. The default.
  kRefuse,
  // The damaged range is fenced off: a read across it is answered DATA_LOSS. All other records are
  // served, and appends go on.
  kQuarantine,
};

}  // namespace walden
