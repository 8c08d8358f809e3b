#include "engine/segment/metadata_v1.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/big_endian.h"
#include "base/checksum.h"
#include "engine/segment/file_window.h"
#include "engine/segment/format_v1.h"
#include "engine/segment/zero_search.h"

namespace walden::segment::v1 {
namespace {

// The highest type that version 1 had. Only "segment created" had other fields.
constexpr uint8_t kLastType = static_cast<uint8_t>(EntryType::kTableOffset);
constexpr size_t kSegmentCreatedFields = 3;

std::optional<size_t> FieldsOf(uint8_t type) {
  if (type > kLastType) return std::nullopt;
  if (static_cast<EntryType>(type) == EntryType::kSegmentCreated) return kSegmentCreatedFields;
  return FieldCount(static_cast<EntryType>(type));
}

struct DecodedEntry {
  EntryType type = EntryType::kOpened;
  std::vector<uint64_t> fields;
  uint32_t append_number = 0;
  size_t bytes = 0;
};

std::optional<DecodedEntry> Decode(absl::string_view bytes) {
  if (bytes.size() < kEntryHeaderBytes || static_cast<uint8_t>(bytes[0]) != kEntryVersion) {
    return std::nullopt;
  }
  const uint32_t body = GetU32(bytes.data() + kEntryLengthOffset);
  if (body > kMaxEntryBodyBytes || bytes.size() < kEntryHeaderBytes + body) return std::nullopt;
  bytes = bytes.substr(0, kEntryHeaderBytes + body);
  const uint32_t running = Crc32cExtend(kCrc32cStart, bytes.substr(0, 1));
  const uint32_t crc = Crc32cFinish(Crc32cExtend(running, bytes.substr(kEntryAppendOffset)));
  if (crc != GetU32(bytes.data() + kEntryCrcOffset)) return std::nullopt;
  const auto type = static_cast<uint8_t>(bytes[kEntryTypeOffset]);
  const std::optional<size_t> fields = FieldsOf(type);
  if (!fields || 8 * *fields != body) return std::nullopt;
  DecodedEntry entry{.type = static_cast<EntryType>(type),
                     .append_number = GetU32(bytes.data() + kEntryAppendOffset),
                     .bytes = bytes.size()};
  for (size_t i = 0; i < *fields; ++i) {
    entry.fields.push_back(GetU64(bytes.data() + kEntryHeaderBytes + 8 * i));
  }
  if (entry.type == EntryType::kTableKind && entry.fields[1] != kEntryTable) return std::nullopt;
  return entry;
}

uint64_t BrokenEntryBytes(absl::string_view entry) {
  if (entry.size() < kEntryHeaderBytes) return kEntryHeaderBytes;
  uint64_t body = kMaxEntryBodyBytes;
  body = std::min<uint64_t>(body, GetU32(entry.data() + kEntryLengthOffset));
  const auto fields = FieldsOf(static_cast<uint8_t>(entry[kEntryTypeOffset]));
  if (fields) body = std::min<uint64_t>(body, 8 * *fields);
  return kEntryHeaderBytes + body;
}

absl::StatusOr<uint64_t> TornBytes(const File& file, uint64_t size, uint64_t end,
                                   absl::string_view rest, uint64_t last_append,
                                   const std::string& path) {
  FileWindow window(file, size);
  const auto last = LastNonZero(window, end, size);
  if (!last.ok()) return last.status();
  if (*last == end) return 0;
  for (size_t i = 1; i < rest.size(); ++i) {
    const auto later = Decode(rest.substr(i));
    if (later && later->append_number > last_append + 1) {
      return DamagedMetadata(path, end, "an entry fails its checksum");
    }
  }
  const uint64_t entry_end = std::max(*last, end + BrokenEntryBytes(rest));
  const auto torn = HasUnwrittenSector(window, end, std::min(entry_end, size));
  if (!torn.ok()) return torn.status();
  if (!*torn) return DamagedMetadata(path, end, "the last entry fails its checksum");
  return *last - end;
}

void Apply(const DecodedEntry& entry, MetadataState& state) {
  const std::vector<uint64_t>& f = entry.fields;
  switch (entry.type) {
    case EntryType::kSegmentCreated:
      // The predecessor ends where this one begins.
      if (f[0] > 0) state.Apply(MetadataEntry::SegmentSealed(f[0] - 1, 0, f[1]));
      state.Apply(MetadataEntry::SegmentCreated(f[1], {.segment = f[0], .bytes = f[2]}));
      break;
    case EntryType::kProducerBatch:
      break;
    default:
      state.Apply({entry.type, f});
      break;
  }
}

}  // namespace

absl::StatusOr<LoadedMetadata> LoadMetadata(const File& file, std::string bytes,
                                            const std::string& shown_path) {
  absl::string_view rest = absl::string_view(bytes).substr(kMagicBytes);
  LoadedMetadata loaded;
  while (const auto entry = Decode(rest)) {
    Apply(*entry, loaded.state);
    loaded.last_append = entry->append_number;
    rest.remove_prefix(entry->bytes);
  }
  loaded.end = bytes.size() - rest.size();
  const auto torn = TornBytes(file, bytes.size(), loaded.end, rest, loaded.last_append, shown_path);
  if (!torn.ok()) return torn.status();
  loaded.torn_bytes = *torn;
  bytes.resize(loaded.end);
  loaded.bytes = std::move(bytes);
  return loaded;
}

}  // namespace walden::segment::v1
