#include "engine/segment/record_parser.h"

#include "base/big_endian.h"
#include "base/checksum.h"
#include "engine/segment/format.h"

namespace walden::segment {

bool ParsedRecord::more_of_batch() const { return (flags & kMoreOfBatch) != 0; }
bool ParsedRecord::control() const { return (flags & kControl) != 0; }
bool ParsedRecord::jump() const { return (flags & kJump) != 0; }

ParseResult ParseRecord(absl::string_view bytes, uint64_t room) {
  ParseResult result;
  if (bytes.empty()) {
    result.outcome = room == 0 ? ParseOutcome::kNeverWritten : ParseOutcome::kNeedMore;
    result.needed = 1;
    return result;
  }
  const auto version = static_cast<uint8_t>(bytes[0]);
  if (version == 0) {
    result.outcome = ParseOutcome::kNeverWritten;
    return result;
  }
  if ((version & kVersionMask) != kRecordVersion) {
    result.reason = "unknown record version";
    return result;
  }
  if (room < kMinRecordBytes) {
    result.reason = "record runs past the end of the file";
    return result;
  }
  if (bytes.size() < kHeaderBytes) {
    result.outcome = ParseOutcome::kNeedMore;
    result.needed = kHeaderBytes;
    return result;
  }
  const uint64_t value_bytes = GetU32(bytes.data() + kValueLengthOffset);
  const uint64_t record_bytes = kHeaderBytes + value_bytes;
  if (value_bytes < kValueVersionBytes || record_bytes > room) {
    result.reason = value_bytes == 0 ? "value length is 0" : "record runs past the end of the file";
    return result;
  }
  if (bytes.size() < record_bytes) {
    result.outcome = ParseOutcome::kNeedMore;
    result.needed = record_bytes;
    return result;
  }
  const uint32_t running = Crc32cExtend(kCrc32cStart, bytes.substr(0, kVersionBytes));
  const uint32_t crc =
      Crc32cFinish(Crc32cExtend(running, bytes.substr(kTableOffset, record_bytes - kTableOffset)));
  if (crc != GetU32(bytes.data() + kCrcOffset)) {
    result.reason = "checksum does not match";
    return result;
  }
  if (static_cast<uint8_t>(bytes[kHeaderBytes]) != kValueVersion) {
    result.reason = "unknown value version";
    return result;
  }
  result.outcome = ParseOutcome::kRecord;
  result.record = ParseRecordHeader(bytes);
  result.record.payload = bytes.substr(kMinRecordBytes, value_bytes - kValueVersionBytes);
  return result;
}

ParsedRecord ParseRecordHeader(absl::string_view header) {
  ParsedRecord record;
  record.flags = static_cast<uint8_t>(header[0]) & static_cast<uint8_t>(~kVersionMask);
  record.table = GetU64(header.data() + kTableOffset);
  record.sequence = GetU64(header.data() + kSequenceOffset);
  record.encoded_bytes = kHeaderBytes + GetU32(header.data() + kValueLengthOffset);
  return record;
}

std::optional<ProducerControl> ParseProducerControl(const ParsedRecord& record) {
  if (!record.control() || record.payload.size() != kControlProducerBytes - kValueVersionBytes ||
      static_cast<uint8_t>(record.payload[0]) != kControlProducer) {
    return std::nullopt;
  }
  return ProducerControl{.id = GetU64(record.payload.data() + 1),
                         .sequence = GetU64(record.payload.data() + 9)};
}

}  // namespace walden::segment
