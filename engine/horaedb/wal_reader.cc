#include "engine/horaedb/wal_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/big_endian.h"
#include "base/checksum.h"
#include "engine/horaedb/wal_format.h"
#include "engine/segment/file_window.h"
#include "engine/segment/zero_search.h"

namespace walden::horaedb {
namespace {

constexpr uint64_t kStepBytes = 64 << 10;

void PutLittleEndian(char* to, uint64_t value) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<char>(value >> (8 * i));
}

uint32_t ChecksumOf(TableId table, SequenceNumber sequence, absl::string_view value) {
  std::array<char, kChecksummedHeaderBytes> head;
  PutLittleEndian(head.data(), table);
  PutLittleEndian(head.data() + 8, sequence);
  PutLittleEndian(head.data() + 16, value.size());
  return Crc32IeeeExtend(Crc32IeeeExtend(0, absl::string_view(head.data(), head.size())), value);
}

// Returns why no record can have this header, or null. `room`: bytes to the end of the file.
const char* Impossible(absl::string_view header, uint64_t room) {
  if (static_cast<uint8_t>(header[0]) != kRecordVersion) return "unknown record version";
  const SequenceNumber sequence = GetU64(header.data() + kSequenceOffset);
  if (sequence == 0 || sequence > kMaxSequenceNumber) return "impossible sequence number";
  if (GetU32(header.data() + kValueLengthOffset) > room - kHeaderBytes) {
    return "the record runs past the end of the file";
  }
  return nullptr;
}

}  // namespace

WalReader::WalReader(std::unique_ptr<File> file, uint64_t size)
    : file_(std::move(file)),
      size_(size),
      window_(std::make_unique<segment::FileWindow>(*file_, size)) {}

WalReader::~WalReader() = default;

absl::StatusOr<std::unique_ptr<WalReader>> WalReader::Open(FileSystem* files,
                                                           const std::string& path) {
  auto file = files->OpenFile(path, FileSystem::OpenMode::kReadOnly);
  if (!file.ok()) return file.status();
  const auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  return std::unique_ptr<WalReader>(new WalReader(*std::move(file), *size));
}

absl::StatusOr<WalItem> WalReader::Next() {
  if (position_ == 0 && size_ > 0) {
    const auto magic = window_->Peek(0, kMagicBytes);
    if (!magic.ok()) return magic.status();
    if (magic->substr(0, kMagicBytes) != kMagic) return BadMagic();
    position_ = kMagicBytes;
  }
  auto parsed = ParseAt(position_);
  if (!parsed.ok()) return parsed.status();
  if (parsed->valid) {
    position_ += parsed->item.length;
    return parsed->item;
  }
  const auto next = FindRecord(position_ + 1);
  if (!next.ok()) return next.status();
  uint64_t end = *next;
  if (end >= size_) {
    const auto last = LastNonZero(position_);
    if (!last.ok()) return last.status();
    end = *last;
  }
  if (end == position_) return WalItem{.offset = position_};
  const WalItem damage{.kind = WalItem::Kind::kDamage,
                       .offset = position_,
                       .length = end - position_,
                       .reason = parsed->reason};
  position_ = end;
  return damage;
}

absl::StatusOr<WalItem> WalReader::BadMagic() {
  const auto last = LastNonZero(0);
  if (!last.ok()) return last.status();
  if (*last == 0) return WalItem();  // only allocated so far
  position_ = std::min<uint64_t>(kMagicBytes, size_);
  return WalItem{
      .kind = WalItem::Kind::kDamage, .length = position_, .reason = "magic number does not match"};
}

absl::StatusOr<WalReader::Parsed> WalReader::ParseAt(uint64_t offset) {
  Parsed parsed;
  auto bytes = window_->Peek(offset, kHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < kHeaderBytes) {
    parsed.reason = "the file ends inside a record";
    return parsed;
  }
  parsed.reason = Impossible(*bytes, size_ - offset);
  if (parsed.reason != nullptr) return parsed;
  const uint64_t value_bytes = GetU32(bytes->data() + kValueLengthOffset);
  const uint64_t record_bytes = kHeaderBytes + value_bytes;
  bytes = window_->Peek(offset, record_bytes);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < record_bytes) {
    parsed.reason = "the file ends inside a record";
    return parsed;
  }
  WalItem& item = parsed.item;
  item.kind = WalItem::Kind::kRecord;
  item.offset = offset;
  item.length = record_bytes;
  item.table = GetU64(bytes->data() + kTableOffset);
  item.sequence = GetU64(bytes->data() + kSequenceOffset);
  const absl::string_view value = bytes->substr(kHeaderBytes, value_bytes);
  if (ChecksumOf(item.table, item.sequence, value) != GetU32(bytes->data() + kCrcOffset)) {
    parsed.reason = "checksum does not match";
  } else if (value.empty()) {
    parsed.reason = "the value has no version";
  } else if (static_cast<uint8_t>(value[0]) != kValueVersion) {
    parsed.reason = "unknown value version";
  } else {
    item.payload = value.substr(kValueVersionBytes);
    parsed.valid = true;
  }
  return parsed;
}

absl::StatusOr<uint64_t> WalReader::FindRecord(uint64_t from) {
  for (uint64_t at = from; at + kHeaderBytes <= size_;) {
    const auto bytes = window_->Peek(at, kStepBytes);
    if (!bytes.ok()) return bytes.status();
    // Positions whose header is wholly in view and possible; zeros are none.
    size_t i = 0;
    const size_t end = bytes->size() < kHeaderBytes ? 0 : bytes->size() - kHeaderBytes + 1;
    while (i < end && Impossible(bytes->substr(i), size_ - at - i) != nullptr) ++i;
    if (end == 0) break;
    at += i;
    if (i == end) continue;
    const auto parsed = ParseAt(at);
    if (!parsed.ok()) return parsed.status();
    if (parsed->valid) return at;
    ++at;
  }
  return size_;
}

absl::StatusOr<uint64_t> WalReader::LastNonZero(uint64_t begin) {
  return segment::LastNonZero(*window_, begin, size_);
}

}  // namespace walden::horaedb
