// Writes records in the wire format of ReadResponse and RecoverResponse straight into a chunk, so
// that a payload is copied once on its way from the log to the socket. The bytes are those that
// protobuf would write: https://protobuf.dev/programming-guides/encoding
#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>
#include <cstring>

#include "engine/log_engine.h"
#include "server/limits/chunk.h"
#include "walden/v1/wal.pb.h"

namespace walden {
namespace wire {

using google::protobuf::io::CodedOutputStream;
// Tags of fields below 16: field number and wire type in one byte.
constexpr uint8_t Varint(int field) { return static_cast<uint8_t>(field << 3 | 0); }
constexpr uint8_t Length(int field) { return static_cast<uint8_t>(field << 3 | 2); }

// A tag is one byte and a varint at most ten; a record has up to three fields and its own length.
inline constexpr size_t kMaxRecordOverhead = 4 * (1 + 10);

// Size of a field with a value that proto3 leaves out when it is 0.
inline size_t VarintFieldSize(uint64_t value) {
  return value == 0 ? 0 : 1 + CodedOutputStream::VarintSize64(value);
}
inline size_t BytesFieldSize(absl::string_view bytes) {
  return bytes.empty() ? 0 : 1 + CodedOutputStream::VarintSize64(bytes.size()) + bytes.size();
}
inline uint8_t* PutVarintField(uint8_t tag, uint64_t value, uint8_t* out) {
  if (value == 0) return out;
  *out++ = tag;
  return CodedOutputStream::WriteVarint64ToArray(value, out);
}
inline uint8_t* PutBytesField(uint8_t tag, absl::string_view bytes, uint8_t* out) {
  if (bytes.empty()) return out;
  *out++ = tag;
  out = CodedOutputStream::WriteVarint64ToArray(bytes.size(), out);
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

}  // namespace wire

// Adds one record to a ReadResponse.
inline void EncodeReadRecord(const RecordView& record, Chunk& chunk) {
  using v1::LogRecord;
  using v1::ReadResponse;
  const size_t size = wire::VarintFieldSize(record.sequence) + wire::BytesFieldSize(record.payload);
  auto* out =
      reinterpret_cast<uint8_t*>(chunk.Reserve(record.payload.size() + wire::kMaxRecordOverhead));
  *out++ = wire::Length(ReadResponse::kRecordsFieldNumber);
  out = wire::CodedOutputStream::WriteVarint64ToArray(size, out);
  out = wire::PutVarintField(wire::Varint(LogRecord::kSequenceFieldNumber), record.sequence, out);
  out = wire::PutBytesField(wire::Length(LogRecord::kPayloadFieldNumber), record.payload, out);
  chunk.Commit(reinterpret_cast<char*>(out));
}

// Adds one record to a RecoverResponse.
inline void EncodeRecoverRecord(const RecordView& record, Chunk& chunk) {
  using v1::RecoverResponse;
  using v1::TableLogRecord;
  const size_t size = wire::VarintFieldSize(record.table) + wire::VarintFieldSize(record.sequence) +
                      wire::BytesFieldSize(record.payload);
  auto* out =
      reinterpret_cast<uint8_t*>(chunk.Reserve(record.payload.size() + wire::kMaxRecordOverhead));
  *out++ = wire::Length(RecoverResponse::kRecordsFieldNumber);
  out = wire::CodedOutputStream::WriteVarint64ToArray(size, out);
  out = wire::PutVarintField(wire::Varint(TableLogRecord::kTableIdFieldNumber), record.table, out);
  out = wire::PutVarintField(wire::Varint(TableLogRecord::kSequenceFieldNumber), record.sequence,
                             out);
  out = wire::PutBytesField(wire::Length(TableLogRecord::kPayloadFieldNumber), record.payload, out);
  chunk.Commit(reinterpret_cast<char*>(out));
}

}  // namespace walden
