#include "engine/rocksdb/directory/manifest_tables.h"

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

class Edit {
 public:
  explicit Edit(absl::string_view bytes) : rest_(bytes) {}

  // Returns false if the edit has an unknown field, or ends inside a field.
  bool ApplyTo(std::map<uint64_t, uint64_t>& tables) {
    while (ok_ && !rest_.empty()) Field(static_cast<uint32_t>(Varint()), tables);
    return ok_;
  }

 private:
  void Field(uint32_t tag, std::map<uint64_t, uint64_t>& tables) {
    switch (tag) {
      case kLogNumber:
      case kNextFileNumber:
      case kLastSequence:
      case kPrevLogNumber:
      case kMinLogNumberToKeep:
      case kColumnFamily:
      case kMaxColumnFamily:
      case kInAtomicGroup:
        Varint();
        return;
      case kComparator:
      case kColumnFamilyAdd:
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
        tables.erase(Varint());
        return;
      case kNewFile4:
        NewFile(tables);
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

}  // namespace

std::optional<std::map<uint64_t, uint64_t>> TablesOfManifest(absl::string_view manifest) {
  std::map<uint64_t, uint64_t> tables;
  WalParser parser(manifest);
  WalRecord record;
  while (parser.NextBytes(record) == WalOutcome::kRecord) {
    if (!Edit(record.batch).ApplyTo(tables)) return std::nullopt;
  }
  return tables;
}

}  // namespace walden::rocks
