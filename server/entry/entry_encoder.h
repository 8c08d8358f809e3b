// Writes entries in protobuf's wire format straight into a chunk, as record_encoder.h does records.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <optional>

#include "engine/entry/entry_codec.h"
#include "server/read/record_encoder.h"
#include "walden/v1/entry.pb.h"

namespace walden {
namespace wire {

// An entry has up to five fields besides its value, two of them with two fields of their own, a tag
// and a length.
inline constexpr size_t kMaxEntryOverhead = 11 * (1 + 10);

// A google.protobuf.Timestamp, of Unix milliseconds.
class TimestampField {
 public:
  explicit TimestampField(std::optional<int64_t> unix_ms) : set_(unix_ms.has_value()) {
    if (!set_) return;
    const int64_t millis = (*unix_ms % 1000 + 1000) % 1000;
    seconds_ = static_cast<uint64_t>((*unix_ms - millis) / 1000);
    nanos_ = static_cast<uint64_t>(millis) * 1'000'000;
    inner_size_ = VarintFieldSize(seconds_) + VarintFieldSize(nanos_);
  }

  size_t size() const { return set_ ? 1 + 1 + inner_size_ : 0; }

  uint8_t* Put(int field, uint8_t* out) const {
    using google::protobuf::Timestamp;
    if (!set_) return out;
    *out++ = Length(field);
    *out++ = static_cast<uint8_t>(inner_size_);
    out = PutVarintField(Varint(Timestamp::kSecondsFieldNumber), seconds_, out);
    return PutVarintField(Varint(Timestamp::kNanosFieldNumber), nanos_, out);
  }

 private:
  const bool set_;
  uint64_t seconds_ = 0;
  uint64_t nanos_ = 0;
  size_t inner_size_ = 0;  // at most 22
};

}  // namespace wire

// Adds one entry to a message whose repeated field `entries` has this number.
inline void EncodeEntry(int field, SequenceNumber sequence, const entry::EntryView& entry,
                        Chunk& chunk) {
  using v1::Entry;
  const bool tombstone = entry.kind == entry::RecordKind::kTombstone;
  const wire::TimestampField create_time(entry.created_unix_ms);
  const wire::TimestampField expire_time(entry.expires_unix_ms);
  const size_t size = wire::BytesFieldSize(entry.key) + wire::BytesFieldSize(entry.value) +
                      (tombstone ? 2 : 0) + create_time.size() + expire_time.size() +
                      wire::VarintFieldSize(sequence);
  auto* out = reinterpret_cast<uint8_t*>(
      chunk.Reserve(entry.key.size() + entry.value.size() + wire::kMaxEntryOverhead));
  *out++ = wire::Length(field);
  out = wire::CodedOutputStream::WriteVarint64ToArray(size, out);
  out = wire::PutBytesField(wire::Length(Entry::kKeyFieldNumber), entry.key, out);
  out = wire::PutBytesField(wire::Length(Entry::kValueFieldNumber), entry.value, out);
  if (tombstone) out = wire::PutVarintField(wire::Varint(Entry::kTombstoneFieldNumber), 1, out);
  out = create_time.Put(Entry::kCreateTimeFieldNumber, out);
  out = expire_time.Put(Entry::kExpireTimeFieldNumber, out);
  out = wire::PutVarintField(wire::Varint(Entry::kSequenceFieldNumber), sequence, out);
  chunk.Commit(reinterpret_cast<char*>(out));
}

}  // namespace walden
