#include "engine/rocksdb/directory/manifest_tables.h"

#include <utility>

#include "engine/rocksdb/wal/wal_parser.h"

namespace walden::rocks {
namespace {

// Tags of the fields of an edit.
constexpr uint32_t kComparator = 1;
constexpr uint32_t kLogNumber = 2;
constexpr uint32_t kNextFileNumber = 3;
constexpr uint32_t kLastSequence = 4;
constexpr uint32_t kCompactCursor = 5;
constexpr uint32_t kDeletedFile = 6;
constexpr uint32_t kPrevLogNumber = 9;
constexpr uint32_t kMinLogNumberToKeep = 10;
constexpr uint32_t kNewFile4 = 103;
constexpr uint32_t kColumnFamily = 200;
constexpr uint32_t kColumnFamilyAdd = 201;
constexpr uint32_t kColumnFamilyDrop = 202;
constexpr uint32_t kMaxColumnFamily = 203;
constexpr uint32_t kInAtomicGroup = 300;
// Fields with this bit are length-prefixed. A reader passes over unknown fields of this kind.
constexpr uint32_t kSkippable = 1 << 13;
// These two fields have the bit but are not length-prefixed.
constexpr uint32_t kOldWalAddition = kSkippable + 4;
constexpr uint32_t kOldWalDeletion = kSkippable + 5;
// Ends the optional fields of a new file.
constexpr uint32_t kLastOfNewFile = 1;

struct Contents {
  std::map<uint64_t, uint64_t> tables;
  uint64_t log_number = 0;  // of the column families, the one named last
  bool has_families = false;
};

class Edit {
 public:
  explicit Edit(absl::string_view bytes) : rest_(bytes) {}

  // Returns false if the edit has an unknown field, or ends inside a field.
  bool ApplyTo(Contents& contents) {
    while (ok_ && !rest_.empty()) Field(static_cast<uint32_t>(Varint()), contents);
    return ok_;
  }

 private:
  void Field(uint32_t tag, Contents& contents) {
    switch (tag) {
      case kLogNumber:
        contents.log_number = Varint();
        return;
      case kNextFileNumber:
      case kLastSequence:
      case kPrevLogNumber:
      case kMinLogNumberToKeep:
      case kColumnFamily:
      case kMaxColumnFamily:
      case kInAtomicGroup:
        Varint();
        return;
      case kColumnFamilyAdd:
        contents.has_families = true;
        Skip();
        return;
      case kComparator:
        Skip();
        return;
      case kColumnFamilyDrop:
        return;
      case kCompactCursor:
        Varint();
        Skip();
        return;
      case kDeletedFile:
        Varint();
        contents.tables.erase(Varint());
        return;
      case kNewFile4:
        NewFile(contents.tables);
        return;
      default:
        if ((tag & kSkippable) != 0 && tag != kOldWalAddition && tag != kOldWalDeletion) {
          Skip();
        } else {
          ok_ = false;
        }
    }
  }

  void NewFile(std::map<uint64_t, uint64_t>& tables) {
    Varint();  // level
    const uint64_t number = Varint();
    const uint64_t size = Varint();
    Skip();    // smallest key
    Skip();    // largest key
    Varint();  // smallest and largest sequence number
    Varint();
    while (ok_ && Varint() != kLastOfNewFile) Skip();
    if (ok_) tables[number] = size;
  }

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }

  void Skip() {
    const uint64_t length = Varint();
    if (length > rest_.size()) ok_ = false;
    if (ok_) rest_.remove_prefix(length);
  }

  absl::string_view rest_;
  bool ok_ = true;
};

std::optional<Contents> ContentsOf(absl::string_view manifest) {
  Contents contents;
  WalParser parser(manifest);
  WalRecord record;
  while (parser.NextBytes(record) == WalOutcome::kRecord) {
    if (!Edit(record.batch).ApplyTo(contents)) return std::nullopt;
  }
  return contents;
}

}  // namespace

std::optional<std::map<uint64_t, uint64_t>> TablesOfManifest(absl::string_view manifest) {
  auto contents = ContentsOf(manifest);
  if (!contents) return std::nullopt;
  return std::move(contents->tables);
}

uint64_t OldestLogOfManifest(absl::string_view manifest) {
  const auto contents = ContentsOf(manifest);
  return !contents || contents->has_families ? 0 : contents->log_number;
}

}  // namespace walden::rocks
