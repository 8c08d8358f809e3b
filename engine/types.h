// The words of a log, as types. See docs/developers/architecture.md for what each means.
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

// What a table's payloads are. Decided by its first append and remembered.
enum class TableKind {
  kLog,      // the client's own bytes
  kEntries,  // row entries of the entry log
};

// What an engine does with a region in which stored bytes are damaged.
enum class RecoveryPolicy {
  // The region does not open: every call to it is DATA_LOSS until somebody decides. For logs whose
  // holes nobody should read past. The default.
  kRefuse,
  // The damaged range is fenced off: reading across it is DATA_LOSS, everything else is served and
  // appends go on.
  kQuarantine,
};

}  // namespace walden
