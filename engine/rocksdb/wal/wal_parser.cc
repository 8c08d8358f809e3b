#include "engine/rocksdb/wal/wal_parser.h"

#include <algorithm>

#include "base/checksum.h"
#include "engine/rocksdb/keys/key_codec.h"

namespace walden::rocks {
namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kBatchHeaderBytes = 12;  // u64 number, u32 count
constexpr char kLogDataTag = 3;             // an entry of a write batch that is only logged

constexpr uint8_t kFullType = 1;
constexpr uint8_t kFirstType = 2;
constexpr uint8_t kMiddleType = 3;
constexpr uint8_t kLastType = 4;

template <typename Unsigned>
Unsigned LittleEndian(absl::string_view bytes) {
  Unsigned value = 0;
  for (size_t i = sizeof(Unsigned); i-- > 0;) {
    value = static_cast<Unsigned>(value << 8) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

// RocksDB stores CRCs rotated and shifted, so that the CRC of bytes that hold CRCs stays useful.
uint32_t Masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

struct Header {
  uint32_t crc = 0;
  uint16_t length = 0;
  uint8_t type = 0;
};

Header HeaderAt(absl::string_view bytes) {
  return {LittleEndian<uint32_t>(bytes), LittleEndian<uint16_t>(bytes.substr(4)),
          static_cast<uint8_t>(bytes[6])};
}

// Whether the checksum of `fragment`, header and payload, matches.
bool CrcHolds(absl::string_view fragment, uint32_t crc) {
  return Masked(Crc32c(fragment.substr(kWalHeaderBytes - 1))) == crc;
}

bool AllZeros(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == 0; });
}

// Walden's note is the first entry of the first batch of a write.
std::optional<uint64_t> NoteOf(absl::string_view batch) {
  if (batch.size() < kBatchHeaderBytes + 2 + kNoteBytes) return std::nullopt;
  const absl::string_view entry = batch.substr(kBatchHeaderBytes);
  if (entry[0] != kLogDataTag || static_cast<uint8_t>(entry[1]) != kNoteBytes) return std::nullopt;
  return DecodeNote(entry.substr(2, kNoteBytes));
}

}  // namespace

bool WalParser::OnlyZerosFrom(uint64_t offset) const { return AllZeros(bytes_.substr(offset)); }

WalParser::Fragment WalParser::Break(uint64_t begin, uint64_t end, const char* reason,
                                     bool cut_short) {
  broken_ = {record_begin_, begin, std::min<uint64_t>(end, bytes_.size()), cut_short, reason};
  return Fragment::kBroken;
}

WalParser::Fragment WalParser::NextFragment(absl::string_view* payload) {
  uint64_t block_end = (position_ / kWalBlockBytes + 1) * kWalBlockBytes;
  if (block_end - position_ < kWalHeaderBytes) {
    position_ = std::min<uint64_t>(block_end, bytes_.size());
    block_end += kWalBlockBytes;
  }
  if (position_ >= bytes_.size() || OnlyZerosFrom(position_)) return Fragment::kEnd;
  const absl::string_view rest = bytes_.substr(position_, block_end - position_);
  if (rest.size() < kWalHeaderBytes) {
    return Break(position_, block_end, "the file ends inside a record's header", true);
  }
  const Header header = HeaderAt(rest);
  const uint64_t size = kWalHeaderBytes + header.length;
  if (size > block_end - position_) {
    return Break(position_, block_end, "a record's length crosses its block", false);
  }
  if (size > rest.size()) {
    return Break(position_, position_ + size, "the file ends inside a record", true);
  }
  if (!CrcHolds(rest.substr(0, size), header.crc)) {
    return Break(position_, position_ + size, "checksum does not match", false);
  }
  *payload = rest.substr(kWalHeaderBytes, header.length);
  position_ += size;
  switch (header.type) {
    case kFullType:
      return Fragment::kFull;
    case kFirstType:
      return Fragment::kFirst;
    case kMiddleType:
      return Fragment::kMiddle;
    case kLastType:
      return Fragment::kLast;
    default:
      return Break(position_ - size, position_, "a record of unknown type", false);
  }
}

WalOutcome WalParser::NextBytes(WalRecord& record) {
  record.batch.clear();
  record_begin_ = position_;
  for (bool inside = false;; inside = true) {
    const uint64_t begin = position_;
    absl::string_view payload;
    const Fragment fragment = NextFragment(&payload);
    if (fragment == Fragment::kBroken) return WalOutcome::kBroken;
    if (fragment == Fragment::kEnd) {
      if (!inside) return WalOutcome::kEnd;
      Break(begin, bytes_.size(), "the file ends between a record's parts", true);
      return WalOutcome::kBroken;
    }
    const bool begins = fragment == Fragment::kFull || fragment == Fragment::kFirst;
    if (begins == inside) {
      Break(begin, position_, inside ? "a record's end is missing" : "a record's begin is missing",
            false);
      return WalOutcome::kBroken;
    }
    record.batch.append(payload.data(), payload.size());
    if (fragment == Fragment::kFull || fragment == Fragment::kLast) break;
  }
  record.begin = record_begin_;
  record.end = position_;
  return WalOutcome::kRecord;
}

WalOutcome WalParser::Next(WalRecord& record) {
  const WalOutcome outcome = NextBytes(record);
  if (outcome != WalOutcome::kRecord) return outcome;
  if (record.batch.size() < kBatchHeaderBytes) {
    Break(record_begin_, position_, "a record too short for a write", false);
    return WalOutcome::kBroken;
  }
  record.first = LittleEndian<uint64_t>(record.batch);
  record.count = LittleEndian<uint32_t>(absl::string_view(record.batch).substr(8));
  record.durable = NoteOf(record.batch);
  return WalOutcome::kRecord;
}

bool WalParser::RecordBeginsAt(uint64_t offset) const {
  const uint64_t block_end = (offset / kWalBlockBytes + 1) * kWalBlockBytes;
  const absl::string_view rest = bytes_.substr(offset, block_end - offset);
  if (rest.size() < kWalHeaderBytes) return false;
  const Header header = HeaderAt(rest);
  const uint64_t size = kWalHeaderBytes + header.length;
  return (header.type == kFullType || header.type == kFirstType) && size <= rest.size() &&
         CrcHolds(rest.substr(0, size), header.crc);
}

bool WalParser::SkipBroken() {
  for (uint64_t at = broken_.begin + 1; at + kWalHeaderBytes <= bytes_.size(); ++at) {
    if (!RecordBeginsAt(at)) continue;
    position_ = at;
    return true;
  }
  position_ = bytes_.size();
  return false;
}

bool HasUnwrittenSector(absl::string_view bytes, const WalBreak& broken) {
  for (uint64_t at = broken.begin; at < broken.end;) {
    const uint64_t sector_end = std::min(broken.end, (at / kSectorBytes + 1) * kSectorBytes);
    if (AllZeros(bytes.substr(at, sector_end - at))) return true;
    at = sector_end;
  }
  return false;
}

}  // namespace walden::rocks
