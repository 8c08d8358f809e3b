// Encodes and decodes the keys and values of key_format.h. A decoder returns nullopt for bytes of
// another type, length or version. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/common/producer_table.h"
#include "engine/rocksdb/keys/key_format.h"
#include "engine/types.h"

namespace walden::rocks {

struct LogKey {
  NamespaceId namespace_id = 0;
  RegionId region = 0;
  TableId table = 0;
  SequenceNumber sequence = 0;
};
std::string EncodeLogKey(const LogKey& key);
std::optional<LogKey> DecodeLogKey(absl::string_view bytes);

// Log keys of one region and table numbered first..last are [LogKeyAt(first), LogKeyBehind(last)).
// The other functions bound all log keys of a table, of a region and of a namespace. The end after
// the highest id is no key, but higher than all keys before it.
std::string LogKeyBehind(LogKey key);
std::string TableBegin(NamespaceId id, RegionId region, TableId table);
std::string TableEnd(NamespaceId id, RegionId region, TableId table);
std::string RegionBegin(NamespaceId id, RegionId region);
std::string RegionEnd(NamespaceId id, RegionId region);
std::string NamespaceBegin(NamespaceId id);
std::string NamespaceEnd(NamespaceId id);

// Decodes a log value; the payload points into `bytes`.
std::optional<absl::string_view> DecodeLogValue(absl::string_view bytes);

struct TableMetadata {
  RegionId region = 0;
  TableId table = 0;
  TableKind kind = TableKind::kLog;
  SequenceNumber deleted_through = 0;
};

// A key and its value.
struct Entry {
  std::string key;
  std::string value;
};
Entry MaxSeqEntry(TableId table, SequenceNumber through);
Entry RegionEntry(RegionId region, uint64_t region_version);
Entry TableEntry(const TableMetadata& table);
Entry ReservedEntry(TableId table, SequenceNumber through);
// The batch has one table.
Entry ProducerEntry(RegionId region, const ProducerBatch& batch);

Entry CompanionEntry(uint64_t salt);

// Records of the table numbered lower than `first` were appended at this time or before, and the
// others at this time or later.
struct AppendTime {
  RegionId region = 0;
  TableId table = 0;
  uint64_t unix_micros = 0;
  SequenceNumber first = 0;
};
Entry AppendTimeEntry(const AppendTime& time);

// Producer ids through `through` were issued in a region.
struct ProducersIssued {
  RegionId region = 0;
  uint64_t through = 0;
};
Entry ProducersIssuedEntry(const ProducersIssued& issued);

// A producer's batch of a region, as stored. A batch without tables is a number that was passed
// over, or with sequence 0 an id that was issued.
struct StoredProducerBatch {
  RegionId region = 0;
  uint64_t producer = 0;
  uint64_t sequence = 0;
  uint64_t order = 0;  // rises with each batch of any producer of the region
  std::vector<ProducerRange> parts;
};
Entry ProducerBatchEntry(const StoredProducerBatch& batch);

struct TableNumber {
  TableId table = 0;
  SequenceNumber through = 0;
};
struct RegionVersion {
  RegionId region = 0;
  uint64_t version = 0;
};
std::optional<TableNumber> DecodeMaxSeq(absl::string_view key, absl::string_view value);
std::optional<RegionVersion> DecodeRegion(absl::string_view key, absl::string_view value);
std::optional<TableMetadata> DecodeTable(absl::string_view key, absl::string_view value);
std::optional<TableNumber> DecodeReserved(absl::string_view key, absl::string_view value);
std::optional<ProducerBatch> DecodeProducer(absl::string_view key, absl::string_view value);
std::optional<uint64_t> DecodeCompanion(absl::string_view key, absl::string_view value);
std::optional<AppendTime> DecodeAppendTime(absl::string_view key, absl::string_view value);
std::optional<ProducersIssued> DecodeProducersIssued(absl::string_view key,
                                                     absl::string_view value);
std::optional<StoredProducerBatch> DecodeProducerBatch(absl::string_view key,
                                                       absl::string_view value);

// Metadata keys of one type; of one type and region; of one type, region and table: [begin, end).
std::string MetaBegin(KeyType type);
std::string MetaEnd(KeyType type);
std::string MetaBegin(KeyType type, RegionId region);
std::string MetaEnd(KeyType type, RegionId region);
std::string MetaBegin(KeyType type, RegionId region, TableId table);
std::string MetaEnd(KeyType type, RegionId region, TableId table);

std::string EncodeNote(uint64_t durable);
std::optional<uint64_t> DecodeNote(absl::string_view bytes);

}  // namespace walden::rocks
