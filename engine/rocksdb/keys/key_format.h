// The keys and values of a RocksDB namespace. Prose and worked examples: FORMAT.md. No logic here:
// key_codec.h encodes and decodes what this page says.
//
//   log key    | namespace (1) | region (8) | table (8) | sequence (8) | version (1) |
//   log value  | version (1) | payload |
//   meta key   | 0 (1) | key type (1) | ... | version (1) |
//   meta value | version (1) | ... |
//
// All integers are big-endian, so that keys sort by namespace, region, table, number. Log keys and
// the MaxSeq key are byte for byte those of HoraeDB 2.1's log on RocksDB; the other key types are
// Walden's own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace walden::rocks {

inline constexpr size_t kNamespaceBytes = 1;
inline constexpr size_t kKeyTypeBytes = 1;
inline constexpr size_t kIdBytes = 8;        // a region, a table, a producer
inline constexpr size_t kSequenceBytes = 8;  // a record's number, or a producer's
inline constexpr size_t kTimeBytes = 8;      // microseconds of Unix time, never negative
inline constexpr size_t kVersionBytes = 1;

inline constexpr uint8_t kKeyVersion = 0;
inline constexpr uint8_t kValueVersion = 0;

// --- Log records. Their namespace is never 0. ---

inline constexpr size_t kLogRegionOffset = kNamespaceBytes;
inline constexpr size_t kLogTableOffset = kLogRegionOffset + kIdBytes;
inline constexpr size_t kLogSequenceOffset = kLogTableOffset + kIdBytes;
inline constexpr size_t kLogVersionOffset = kLogSequenceOffset + kSequenceBytes;
inline constexpr size_t kLogKeyBytes = kLogVersionOffset + kVersionBytes;
static_assert(kLogKeyBytes == 26);

// --- Metadata. ---

inline constexpr uint8_t kMetaNamespace = 0;
inline constexpr uint8_t kFirstLogNamespace = 1;

enum class KeyType : uint8_t {
  kMaxSeq = 0,          // table               -> highest number known to have been deleted
  kRegion = 1,          // region              -> highest region version seen; the region exists
  kTable = 2,           // region, table       -> kind, deleted through
  kReserved = 3,        // table               -> numbers through this one may have been given out
  kProducer = 4,        // region, table, producer, producer sequence -> first and last number
  kCompanion = 5,       // nothing              -> salt of the companion file, which must exist
  kAppendTime = 6,      // region, table, time  -> first number appended then or later
  kProducerIssued = 7,  // region               -> producer ids through this one were issued
  kProducerBatch = 8,   // region, producer, producer sequence -> order, numbers in each table
};

inline constexpr size_t kMetaPrefixBytes = kNamespaceBytes + kKeyTypeBytes;
inline constexpr size_t kMaxSeqKeyBytes = kMetaPrefixBytes + kIdBytes + kVersionBytes;
inline constexpr size_t kRegionKeyBytes = kMetaPrefixBytes + kIdBytes + kVersionBytes;
inline constexpr size_t kTableKeyBytes = kMetaPrefixBytes + 2 * kIdBytes + kVersionBytes;
inline constexpr size_t kReservedKeyBytes = kMetaPrefixBytes + kIdBytes + kVersionBytes;
inline constexpr size_t kProducerKeyBytes =
    kMetaPrefixBytes + 3 * kIdBytes + kSequenceBytes + kVersionBytes;
inline constexpr size_t kCompanionKeyBytes = kMetaPrefixBytes + kVersionBytes;
inline constexpr size_t kAppendTimeKeyBytes =
    kMetaPrefixBytes + 2 * kIdBytes + kTimeBytes + kVersionBytes;
inline constexpr size_t kProducerIssuedKeyBytes = kMetaPrefixBytes + kIdBytes + kVersionBytes;
inline constexpr size_t kProducerBatchKeyBytes =
    kMetaPrefixBytes + 2 * kIdBytes + kSequenceBytes + kVersionBytes;
static_assert(kMaxSeqKeyBytes == 11);
static_assert(kRegionKeyBytes == 11);
static_assert(kTableKeyBytes == 19);
static_assert(kReservedKeyBytes == 11);
static_assert(kProducerKeyBytes == 35);
static_assert(kCompanionKeyBytes == 3);
static_assert(kAppendTimeKeyBytes == 27);
static_assert(kProducerIssuedKeyBytes == 11);
static_assert(kProducerBatchKeyBytes == 27);

inline constexpr size_t kMaxSeqValueBytes = kVersionBytes + kSequenceBytes;
inline constexpr size_t kRegionValueBytes = kVersionBytes + 8;
inline constexpr size_t kTableValueBytes = kVersionBytes + 1 + kSequenceBytes;
inline constexpr size_t kReservedValueBytes = kVersionBytes + kSequenceBytes;
inline constexpr size_t kProducerValueBytes = kVersionBytes + 2 * kSequenceBytes;
inline constexpr size_t kSaltBytes = 8;
inline constexpr size_t kCompanionValueBytes = kVersionBytes + kSaltBytes;
inline constexpr size_t kAppendTimeValueBytes = kVersionBytes + kSequenceBytes;
inline constexpr size_t kProducerIssuedValueBytes = kVersionBytes + kIdBytes;
// A batch's value: its order, then one part for each table. A number that was passed over has no
// part.
inline constexpr size_t kProducerBatchOrderBytes = 8;
inline constexpr size_t kProducerBatchFixedBytes = kVersionBytes + kProducerBatchOrderBytes;
inline constexpr size_t kProducerBatchTableBytes = kIdBytes + 2 * kSequenceBytes;
static_assert(kMaxSeqValueBytes == 9);
static_assert(kRegionValueBytes == 9);
static_assert(kTableValueBytes == 10);
static_assert(kReservedValueBytes == 9);
static_assert(kProducerValueBytes == 17);
static_assert(kCompanionValueBytes == 9);
static_assert(kAppendTimeValueBytes == 9);
static_assert(kProducerIssuedValueBytes == 9);
static_assert(kProducerBatchFixedBytes == 9);
static_assert(kProducerBatchTableBytes == 24);

// A table's keys of append times are at least this far apart. Records between two keys were appended
// at the first key's time or less than this time after it.
inline constexpr int64_t kAppendTimeStepMicros = 1'000'000;

// The kind of a table in its value.
inline constexpr uint8_t kKindLog = 0;
inline constexpr uint8_t kKindEntries = 1;

// The compiler checks that no key is the beginning of a key of another type, and that no two types
// overlap: the type comes first in the key, and all types differ.
inline constexpr std::array kKeyTypes = {
    KeyType::kMaxSeq,     KeyType::kRegion,         KeyType::kTable,
    KeyType::kReserved,   KeyType::kProducer,       KeyType::kCompanion,
    KeyType::kAppendTime, KeyType::kProducerIssued, KeyType::kProducerBatch};
constexpr bool KeyTypesRiseOneByOne() {
  for (size_t i = 0; i < kKeyTypes.size(); ++i) {
    if (static_cast<size_t>(kKeyTypes[i]) != i) return false;
  }
  return true;
}
static_assert(KeyTypesRiseOneByOne(), "two key types share a byte, or one is missing above");
static_assert(kMetaNamespace < kFirstLogNamespace, "log keys must not begin like metadata keys");

// --- The note that Walden adds to each write in RocksDB's own write-ahead log. ---
//
//   note := magic (4) | durable (8): all writes numbered up to `durable` by RocksDB were durable
//           before this one was written
inline constexpr std::array<char, 4> kNoteMagic = {'W', 'L', 'D', '\x01'};
inline constexpr size_t kNoteBytes = kNoteMagic.size() + 8;
static_assert(kNoteBytes == 12);

}  // namespace walden::rocks
