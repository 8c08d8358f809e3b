#include "engine/rocksdb/keys/key_codec.h"

#include <cstring>
#include <utility>

#include "base/big_endian.h"

namespace walden::rocks {
namespace {

// Appends fixed-width fields.
class Writer {
 public:
  Writer& U8(uint8_t value) {
    bytes_.push_back(static_cast<char>(value));
    return *this;
  }
  Writer& U64(uint64_t value) {
    char field[8];
    PutU64(field, value);
    bytes_.append(field, sizeof(field));
    return *this;
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

uint8_t U8At(absl::string_view bytes, size_t offset) { return static_cast<uint8_t>(bytes[offset]); }
uint64_t U64At(absl::string_view bytes, size_t offset) { return GetU64(bytes.data() + offset); }

Writer Meta(KeyType type) { return Writer().U8(kMetaNamespace).U8(static_cast<uint8_t>(type)); }

bool IsMeta(KeyType type, absl::string_view key, size_t key_bytes, absl::string_view value,
            size_t value_bytes) {
  return key.size() == key_bytes && value.size() == value_bytes && U8At(key, 0) == kMetaNamespace &&
         U8At(key, kNamespaceBytes) == static_cast<uint8_t>(type) &&
         U8At(key, key_bytes - kVersionBytes) == kKeyVersion && U8At(value, 0) == kValueVersion;
}

// The lowest string above every string that begins with `prefix`, which must not be all 0xff.
std::string Behind(std::string prefix) {
  while (U8At(prefix, prefix.size() - 1) == 0xff) prefix.pop_back();
  prefix.back() = static_cast<char>(U8At(prefix, prefix.size() - 1) + 1);
  return prefix;
}

// As Behind, also for a prefix of only 0xff: then a string longer than any key is above all keys.
std::string BehindLog(std::string prefix) {
  for (const char byte : prefix) {
    if (static_cast<uint8_t>(byte) != 0xff) return Behind(std::move(prefix));
  }
  return std::string(kLogKeyBytes + 1, '\xff');
}

}  // namespace

std::string EncodeLogKey(const LogKey& key) {
  return Writer()
      .U8(key.namespace_id)
      .U64(key.region)
      .U64(key.table)
      .U64(key.sequence)
      .U8(kKeyVersion)
      .Take();
}

std::optional<LogKey> DecodeLogKey(absl::string_view bytes) {
  if (bytes.size() != kLogKeyBytes || U8At(bytes, 0) < kFirstLogNamespace ||
      U8At(bytes, kLogVersionOffset) != kKeyVersion) {
    return std::nullopt;
  }
  return LogKey{U8At(bytes, 0), U64At(bytes, kLogRegionOffset), U64At(bytes, kLogTableOffset),
                U64At(bytes, kLogSequenceOffset)};
}

std::string LogKeyBehind(LogKey key) {
  std::string bytes = EncodeLogKey(key);
  bytes.pop_back();  // its version
  return BehindLog(std::move(bytes));
}

std::string TableBegin(NamespaceId id, RegionId region, TableId table) {
  return Writer().U8(id).U64(region).U64(table).Take();
}
std::string TableEnd(NamespaceId id, RegionId region, TableId table) {
  return BehindLog(TableBegin(id, region, table));
}
std::string RegionBegin(NamespaceId id, RegionId region) {
  return Writer().U8(id).U64(region).Take();
}
std::string RegionEnd(NamespaceId id, RegionId region) {
  return BehindLog(RegionBegin(id, region));
}
std::string NamespaceBegin(NamespaceId id) { return Writer().U8(id).Take(); }
std::string NamespaceEnd(NamespaceId id) { return BehindLog(NamespaceBegin(id)); }

std::optional<absl::string_view> DecodeLogValue(absl::string_view bytes) {
  if (bytes.empty() || U8At(bytes, 0) != kValueVersion) return std::nullopt;
  return bytes.substr(kVersionBytes);
}

Entry MaxSeqEntry(TableId table, SequenceNumber through) {
  return {Meta(KeyType::kMaxSeq).U64(table).U8(kKeyVersion).Take(),
          Writer().U8(kValueVersion).U64(through).Take()};
}

Entry RegionEntry(RegionId region, uint64_t region_version) {
  return {Meta(KeyType::kRegion).U64(region).U8(kKeyVersion).Take(),
          Writer().U8(kValueVersion).U64(region_version).Take()};
}

Entry TableEntry(const TableMetadata& table) {
  const uint8_t kind = table.kind == TableKind::kEntries ? kKindEntries : kKindLog;
  return {Meta(KeyType::kTable).U64(table.region).U64(table.table).U8(kKeyVersion).Take(),
          Writer().U8(kValueVersion).U8(kind).U64(table.deleted_through).Take()};
}

Entry ReservedEntry(TableId table, SequenceNumber through) {
  return {Meta(KeyType::kReserved).U64(table).U8(kKeyVersion).Take(),
          Writer().U8(kValueVersion).U64(through).Take()};
}

Entry ProducerEntry(RegionId region, const ProducerBatch& batch) {
  return {Meta(KeyType::kProducer)
              .U64(region)
              .U64(batch.tables[0].table)
              .U64(batch.id)
              .U64(batch.sequence)
              .U8(kKeyVersion)
              .Take(),
          Writer().U8(kValueVersion).U64(batch.tables[0].first).U64(batch.tables[0].last).Take()};
}

Entry CompanionEntry(uint64_t salt) {
  return {Meta(KeyType::kCompanion).U8(kKeyVersion).Take(),
          Writer().U8(kValueVersion).U64(salt).Take()};
}

Entry AppendTimeEntry(const AppendTime& time) {
  return {Meta(KeyType::kAppendTime)
              .U64(time.region)
              .U64(time.table)
              .U64(time.unix_micros)
              .U8(kKeyVersion)
              .Take(),
          Writer().U8(kValueVersion).U64(time.first).Take()};
}

Entry ProducersIssuedEntry(const ProducersIssued& issued) {
  return {Meta(KeyType::kProducerIssued).U64(issued.region).U8(kKeyVersion).Take(),
          Writer().U8(kValueVersion).U64(issued.through).Take()};
}

Entry ProducerBatchEntry(const StoredProducerBatch& batch) {
  Writer value;
  value.U8(kValueVersion).U64(batch.order);
  for (const ProducerRange& part : batch.parts) {
    value.U64(part.table).U64(part.first).U64(part.last);
  }
  return {Meta(KeyType::kProducerBatch)
              .U64(batch.region)
              .U64(batch.producer)
              .U64(batch.sequence)
              .U8(kKeyVersion)
              .Take(),
          value.Take()};
}

std::optional<TableNumber> DecodeMaxSeq(absl::string_view key, absl::string_view value) {
  if (!IsMeta(KeyType::kMaxSeq, key, kMaxSeqKeyBytes, value, kMaxSeqValueBytes)) {
    return std::nullopt;
  }
  return TableNumber{U64At(key, kMetaPrefixBytes), U64At(value, kVersionBytes)};
}

std::optional<RegionVersion> DecodeRegion(absl::string_view key, absl::string_view value) {
  if (!IsMeta(KeyType::kRegion, key, kRegionKeyBytes, value, kRegionValueBytes)) {
    return std::nullopt;
  }
  return RegionVersion{U64At(key, kMetaPrefixBytes), U64At(value, kVersionBytes)};
}

std::optional<TableMetadata> DecodeTable(absl::string_view key, absl::string_view value) {
  if (!IsMeta(KeyType::kTable, key, kTableKeyBytes, value, kTableValueBytes)) return std::nullopt;
  const uint8_t kind = U8At(value, kVersionBytes);
  if (kind != kKindLog && kind != kKindEntries) return std::nullopt;
  return TableMetadata{U64At(key, kMetaPrefixBytes), U64At(key, kMetaPrefixBytes + kIdBytes),
                       kind == kKindEntries ? TableKind::kEntries : TableKind::kLog,
                       U64At(value, kVersionBytes + 1)};
}

std::optional<TableNumber> DecodeReserved(absl::string_view key, absl::string_view value) {
  if (!IsMeta(KeyType::kReserved, key, kReservedKeyBytes, value, kReservedValueBytes)) {
    return std::nullopt;
  }
  return TableNumber{U64At(key, kMetaPrefixBytes), U64At(value, kVersionBytes)};
}

std::optional<ProducerBatch> DecodeProducer(absl::string_view key, absl::string_view value) {
  if (!IsMeta(KeyType::kProducer, key, kProducerKeyBytes, value, kProducerValueBytes)) {
    return std::nullopt;
  }
  return ProducerBatch{.id = U64At(key, kMetaPrefixBytes + 2 * kIdBytes),
                       .sequence = U64At(key, kMetaPrefixBytes + 3 * kIdBytes),
                       .tables = {{.table = U64At(key, kMetaPrefixBytes + kIdBytes),
                                   .first = U64At(value, kVersionBytes),
                                   .last = U64At(value, kVersionBytes + kSequenceBytes)}}};
}

std::optional<uint64_t> DecodeCompanion(absl::string_view key, absl::string_view value) {
  if (!IsMeta(KeyType::kCompanion, key, kCompanionKeyBytes, value, kCompanionValueBytes)) {
    return std::nullopt;
  }
  return U64At(value, kVersionBytes);
}

std::optional<AppendTime> DecodeAppendTime(absl::string_view key, absl::string_view value) {
  if (!IsMeta(KeyType::kAppendTime, key, kAppendTimeKeyBytes, value, kAppendTimeValueBytes)) {
    return std::nullopt;
  }
  return AppendTime{.region = U64At(key, kMetaPrefixBytes),
                    .table = U64At(key, kMetaPrefixBytes + kIdBytes),
                    .unix_micros = U64At(key, kMetaPrefixBytes + 2 * kIdBytes),
                    .first = U64At(value, kVersionBytes)};
}

std::optional<ProducersIssued> DecodeProducersIssued(absl::string_view key,
                                                     absl::string_view value) {
  if (!IsMeta(KeyType::kProducerIssued, key, kProducerIssuedKeyBytes, value,
              kProducerIssuedValueBytes)) {
    return std::nullopt;
  }
  return ProducersIssued{U64At(key, kMetaPrefixBytes), U64At(value, kVersionBytes)};
}

std::optional<StoredProducerBatch> DecodeProducerBatch(absl::string_view key,
                                                       absl::string_view value) {
  if (value.size() < kProducerBatchFixedBytes ||
      (value.size() - kProducerBatchFixedBytes) % kProducerBatchTableBytes != 0 ||
      !IsMeta(KeyType::kProducerBatch, key, kProducerBatchKeyBytes, value, value.size())) {
    return std::nullopt;
  }
  StoredProducerBatch batch{.region = U64At(key, kMetaPrefixBytes),
                            .producer = U64At(key, kMetaPrefixBytes + kIdBytes),
                            .sequence = U64At(key, kMetaPrefixBytes + 2 * kIdBytes),
                            .order = U64At(value, kVersionBytes)};
  for (size_t at = kProducerBatchFixedBytes; at < value.size(); at += kProducerBatchTableBytes) {
    batch.parts.push_back({.table = U64At(value, at),
                           .first = U64At(value, at + kIdBytes),
                           .last = U64At(value, at + kIdBytes + kSequenceBytes)});
  }
  return batch;
}

std::string MetaBegin(KeyType type) { return Meta(type).Take(); }
std::string MetaEnd(KeyType type) { return Behind(MetaBegin(type)); }
std::string MetaBegin(KeyType type, RegionId region) { return Meta(type).U64(region).Take(); }
std::string MetaEnd(KeyType type, RegionId region) { return Behind(MetaBegin(type, region)); }

std::string MetaBegin(KeyType type, RegionId region, TableId table) {
  return Meta(type).U64(region).U64(table).Take();
}
std::string MetaEnd(KeyType type, RegionId region, TableId table) {
  return Behind(MetaBegin(type, region, table));
}

std::string EncodeNote(uint64_t durable) {
  std::string bytes(kNoteMagic.data(), kNoteMagic.size());
  bytes.resize(kNoteBytes);
  PutU64(bytes.data() + kNoteMagic.size(), durable);
  return bytes;
}

std::optional<uint64_t> DecodeNote(absl::string_view bytes) {
  if (bytes.size() != kNoteBytes ||
      std::memcmp(bytes.data(), kNoteMagic.data(), kNoteMagic.size()) != 0) {
    return std::nullopt;
  }
  return U64At(bytes, kNoteMagic.size());
}

}  // namespace walden::rocks
