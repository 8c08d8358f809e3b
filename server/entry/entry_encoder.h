// Writes entries in protobuf's wire format straight into a chunk, as record_encoder.h does records.
#pragma once

#include "engine/entry/entry_codec.h"
#include "server/read/record_encoder.h"
#include "walden/v1/entry.pb.h"

namespace walden {
namespace wire {

// An entry has up to five fields besides its value, a tag and a length.
inline constexpr size_t kMaxEntryOverhead = 7 * (1 + 10);

inline size_t OptionalFieldSize(std::optional<int64_t> value) {
  return value ? 1 + CodedOutputStream::VarintSize64(static_cast<uint64_t>(*value)) : 0;
}
inline uint8_t* PutOptionalField(uint8_t tag, std::optional<int64_t> value, uint8_t* out) {
  if (!value) return out;
  *out++ = tag;
  return CodedOutputStream::WriteVarint64ToArray(static_cast<uint64_t>(*value), out);
}

}  // namespace wire

// Adds one entry to a message whose repeated field `entries` has this number.
inline void EncodeEntry(int field, SequenceNumber sequence, const entry::EntryView& entry,
                        Chunk& chunk) {
  using v1::Entry;
  const bool tombstone = entry.kind == entry::RecordKind::kTombstone;
  const size_t size = wire::BytesFieldSize(entry.key) + wire::BytesFieldSize(entry.value) +
                      (tombstone ? 2 : 0) + wire::OptionalFieldSize(entry.created_unix_ms) +
                      wire::OptionalFieldSize(entry.expires_unix_ms) +
                      wire::VarintFieldSize(sequence);
  auto* out = reinterpret_cast<uint8_t*>(
      chunk.Reserve(entry.key.size() + entry.value.size() + wire::kMaxEntryOverhead));
  *out++ = wire::Length(field);
  out = wire::CodedOutputStream::WriteVarint64ToArray(size, out);
  out = wire::PutBytesField(wire::Length(Entry::kKeyFieldNumber), entry.key, out);
  out = wire::PutBytesField(wire::Length(Entry::kValueFieldNumber), entry.value, out);
  if (tombstone) out = wire::PutVarintField(wire::Varint(Entry::kTombstoneFieldNumber), 1, out);
  out = wire::PutOptionalField(wire::Varint(Entry::kCreatedUnixMsFieldNumber),
                               entry.created_unix_ms, out);
  out = wire::PutOptionalField(wire::Varint(Entry::kExpiresUnixMsFieldNumber),
                               entry.expires_unix_ms, out);
  out = wire::PutVarintField(wire::Varint(Entry::kSequenceFieldNumber), sequence, out);
  chunk.Commit(reinterpret_cast<char*>(out));
}

}  // namespace walden
