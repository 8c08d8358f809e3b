#include "engine/segment/record_writer.h"

#include <array>
#include <cstring>

#include "base/big_endian.h"
#include "base/checksum.h"
#include "engine/segment/format.h"

namespace walden::segment {
namespace {

// From this size on pointing at a payload is cheaper than copying it.
constexpr size_t kPointAtBytes = 4096;

// A larger room is given back between groups.
constexpr size_t kKeepRoomBytes = 1 << 20;

void PutHeader(char* to, const RecordHeader& header, size_t value_bytes) {
  to[0] = static_cast<char>(kRecordVersion | header.flags);
  PutU64(to + kTableOffset, header.table);
  PutU64(to + kSequenceOffset, header.sequence);
  PutU32(to + kValueLengthOffset, static_cast<uint32_t>(value_bytes));
}

uint32_t HeaderCrc(const char* record, size_t bytes_after_crc) {
  const uint32_t running = Crc32cExtend(kCrc32cStart, absl::string_view(record, kVersionBytes));
  return Crc32cExtend(running, absl::string_view(record + kTableOffset, bytes_after_crc));
}

}  // namespace

uint64_t EncodedBatchBytes(const AppendBatch& batch) {
  uint64_t bytes = batch.producer ? kHeaderBytes + kControlProducerBytes : 0;
  for (const TableAppend& append : batch.tables) {
    for (const absl::string_view payload : append.payloads) {
      bytes += kMinRecordBytes + payload.size();
    }
  }
  return bytes;
}

void RecordWriter::Reserve(uint64_t record_bytes) {
  Clear();
  if (room_.size() < record_bytes ||
      (room_.size() > kKeepRoomBytes && record_bytes < kKeepRoomBytes)) {
    room_ = std::string();
    room_.resize(record_bytes);
  }
}

char* RecordWriter::Extend(size_t bytes) {
  char* const at = room_.data() + used_;
  used_ += bytes;
  size_ += bytes;
  return at;
}

void RecordWriter::BeginGroup() {
  in_group_ = true;
  group_records_ = 0;
  headers_crc_ = kCrc32cStart;
  Extend(kGroupHeadBytes);
}

void RecordWriter::CountInGroup(const char* header) {
  if (!in_group_) return;
  ++group_records_;
  headers_crc_ = Crc32cExtend(headers_crc_, absl::string_view(header, kHeaderBytes));
}

void RecordWriter::FinishGroup(const SegmentHeader& segment, uint64_t offset, GroupHead head) {
  static constexpr std::array<char, kMaxAlignment> kZeros = {};
  head.bytes = static_cast<uint32_t>(size_);
  head.records = group_records_;
  head.headers_crc = Crc32cFinish(headers_crc_);
  PutGroupHead(room_.data(), segment, offset, head);
  in_group_ = false;
  (void)pieces();  // the last piece of the room comes before the padding
  const uint64_t padding = segment.GroupBegin(offset + size_) - (offset + size_);
  if (padding > 0) pieces_.emplace_back(kZeros.data(), padding);
}

void RecordWriter::AddRecord(const RecordHeader& header, absl::string_view payload) {
  const bool copied = payload.size() < kPointAtBytes;
  char* const record = Extend(kMinRecordBytes + (copied ? payload.size() : 0));
  PutHeader(record, header, kValueVersionBytes + payload.size());
  record[kHeaderBytes] = static_cast<char>(kValueVersion);
  uint32_t crc = 0;
  if (copied) {
    if (!payload.empty()) std::memcpy(record + kMinRecordBytes, payload.data(), payload.size());
    crc = HeaderCrc(record, kMinRecordBytes - kTableOffset + payload.size());
  } else {
    crc = Crc32cExtend(HeaderCrc(record, kMinRecordBytes - kTableOffset), payload);
    pieces_.emplace_back(room_.data() + piece_begin_, used_ - piece_begin_);
    pieces_.push_back(payload);
    piece_begin_ = used_;
    size_ += payload.size();
  }
  PutU32(record + kCrcOffset, Crc32cFinish(crc));
  CountInGroup(record);
}

void RecordWriter::AddProducer(const RecordHeader& header, uint64_t producer_id,
                               uint64_t producer_sequence) {
  char* const record = Extend(kHeaderBytes + kControlProducerBytes);
  PutHeader(record, header, kControlProducerBytes);
  record[kHeaderBytes] = static_cast<char>(kValueVersion);
  record[kHeaderBytes + 1] = static_cast<char>(kControlProducer);
  PutU64(record + kHeaderBytes + 2, producer_id);
  PutU64(record + kHeaderBytes + 10, producer_sequence);
  const uint32_t crc = HeaderCrc(record, kHeaderBytes + kControlProducerBytes - kTableOffset);
  PutU32(record + kCrcOffset, Crc32cFinish(crc));
  CountInGroup(record);
}

absl::Span<const absl::string_view> RecordWriter::pieces() {
  if (used_ > piece_begin_) {
    pieces_.emplace_back(room_.data() + piece_begin_, used_ - piece_begin_);
    piece_begin_ = used_;
  }
  return pieces_;
}

void RecordWriter::Clear() {
  used_ = 0;
  piece_begin_ = 0;
  size_ = 0;
  in_group_ = false;
  pieces_.clear();
}

}  // namespace walden::segment
