#include "engine/segment/metadata_codec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/big_endian.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/segment/file_window.h"
#include "engine/segment/format_v1.h"
#include "engine/segment/metadata_v1.h"
#include "engine/segment/zero_search.h"

namespace walden::segment {
namespace {

uint32_t CrcAround(absl::string_view bytes, size_t crc_offset) {
  const uint32_t running = Crc32cExtend(kCrc32cStart, bytes.substr(0, crc_offset));
  return Crc32cFinish(Crc32cExtend(running, bytes.substr(crc_offset + 4)));
}

struct DecodedEntry {
  MetadataEntry entry;
  uint64_t append_number = 0;
  size_t bytes = 0;
};

// The entry that `bytes` begin with; nullopt if there is no valid one.
std::optional<DecodedEntry> Decode(absl::string_view bytes) {
  if (bytes.size() < kEntryHeaderBytes || static_cast<uint8_t>(bytes[0]) != kEntryVersion) {
    return std::nullopt;
  }
  const size_t body = GetBigEndian<uint16_t>(bytes.data() + kEntryLengthOffset);
  if (body > kMaxEntryBodyBytes || bytes.size() < kEntryHeaderBytes + body) return std::nullopt;
  bytes = bytes.substr(0, kEntryHeaderBytes + body);
  if (CrcAround(bytes, kEntryCrcOffset) != GetU32(bytes.data() + kEntryCrcOffset)) {
    return std::nullopt;
  }
  DecodedEntry decoded{{}, GetU64(bytes.data() + kEntryAppendOffset), bytes.size()};
  MetadataEntry& entry = decoded.entry;
  entry.type = static_cast<EntryType>(bytes[kEntryTypeOffset]);
  const std::optional<size_t> fields = FieldCount(entry.type);
  if (!fields || 8 * *fields != body) return std::nullopt;
  for (size_t i = 0; i < *fields; ++i) {
    entry.fields.push_back(GetU64(bytes.data() + kEntryHeaderBytes + 8 * i));
  }
  if (entry.type == EntryType::kTableKind && entry.fields[1] != kEntryTable) return std::nullopt;
  return decoded;
}

// A lower bound of a broken entry's length. The entry's type and its length field both give a
// length. If they differ, one of them is damaged, and the lower length is the safer guess.
uint64_t BrokenEntryBytes(absl::string_view entry) {
  if (entry.size() < kEntryHeaderBytes) return kEntryHeaderBytes;
  uint64_t body = kMaxEntryBodyBytes;
  body = std::min<uint64_t>(body, GetBigEndian<uint16_t>(entry.data() + kEntryLengthOffset));
  const auto fields = FieldCount(static_cast<EntryType>(entry[kEntryTypeOffset]));
  if (fields) body = std::min<uint64_t>(body, 8 * *fields);
  return kEntryHeaderBytes + body;
}

// Bytes of a cut write after the last valid entry. A cut write leaves a sector unwritten; all other
// bytes that are no entry are damage.
absl::StatusOr<uint64_t> TornBytes(const File& file, uint64_t size, const LoadedMetadata& loaded,
                                   absl::string_view rest, const std::string& path) {
  FileWindow window(file, size);
  const auto last = LastNonZero(window, loaded.end, size);
  if (!last.ok()) return last.status();
  if (*last == loaded.end) return 0;
  for (size_t i = 0; i < rest.size(); i += kEntryAlignment) {
    // A later write begins only after this one is durable.
    const auto later = Decode(rest.substr(i));
    if (later && later->append_number > loaded.last_append + 1) {
      return DamagedMetadata(path, loaded.end, "an entry fails its checksum");
    }
  }
  const uint64_t entry_end = std::max(*last, loaded.end + BrokenEntryBytes(rest));
  const auto torn = HasUnwrittenSector(window, loaded.end, std::min(entry_end, size));
  if (!torn.ok()) return torn.status();
  if (!*torn) return DamagedMetadata(path, loaded.end, "the last entry fails its checksum");
  return *last - loaded.end;
}

struct DecodedHeader {
  MetadataIdentity identity;
  uint64_t size = 0;
};

std::optional<DecodedHeader> DecodeHeader(absl::string_view bytes) {
  if (bytes.size() < kMetadataHeaderBytes || bytes.substr(0, kMagicBytes) != kMetadataMagic) {
    return std::nullopt;
  }
  bytes = bytes.substr(0, kMetadataHeaderBytes);
  const char* const at = bytes.data();
  if (CrcAround(bytes, kMetadataCrcOffset) != GetU32(at + kMetadataCrcOffset)) return std::nullopt;
  const size_t name = GetU32(at + kMetadataNameLengthOffset);
  if (name > kMetadataHeaderBytes - kMetadataNameOffset) return std::nullopt;
  DecodedHeader header;
  header.identity.namespace_id = static_cast<NamespaceId>(GetU64(at + kMetadataNamespaceOffset));
  header.identity.namespace_name = std::string(bytes.substr(kMetadataNameOffset, name));
  header.identity.region = GetU64(at + kMetadataRegionOffset);
  header.size = GetU64(at + kMetadataSizeOffset);
  return header;
}

absl::StatusOr<LoadedMetadata> LoadVersion2(const File& file, std::string bytes,
                                            const std::string& shown_path) {
  const auto header = DecodeHeader(bytes);
  if (!header) return DamagedMetadata(shown_path, 0, "its header fails its checksum");
  if (bytes.size() < header->size) {
    return DamagedMetadata(shown_path, bytes.size(),
                           absl::StrCat("it has ", bytes.size(), " bytes, and was made with ",
                                        header->size, "; entries may be missing"));
  }
  absl::string_view rest = absl::string_view(bytes).substr(kMetadataHeaderBytes);
  LoadedMetadata loaded;
  loaded.identity = header->identity;
  while (const auto decoded = Decode(rest)) {
    const bool first = loaded.last_append == 0;
    if (!first && decoded->append_number != loaded.last_append &&
        decoded->append_number != loaded.last_append + 1) {
      return DamagedMetadata(shown_path, bytes.size() - rest.size(),
                             absl::StrCat("write ", decoded->append_number, " follows write ",
                                          loaded.last_append, "; entries are missing"));
    }
    loaded.state.Apply(decoded->entry);
    loaded.last_append = decoded->append_number;
    rest.remove_prefix(decoded->bytes);
  }
  loaded.end = bytes.size() - rest.size();
  const auto torn = TornBytes(file, bytes.size(), loaded, rest, shown_path);
  if (!torn.ok()) return torn.status();
  loaded.torn_bytes = *torn;
  bytes.resize(loaded.end);
  loaded.bytes = std::move(bytes);
  return loaded;
}

// Whether the magic number has a higher version. False if the header is one of this version but for
// that byte: then the byte is damaged.
bool IsNewerVersion(std::string bytes) {
  if (bytes.size() < kMagicBytes) return false;
  char& version = bytes[kMagicBytes - 1];
  if (version <= kMetadataMagic.back()) return false;
  version = kMetadataMagic.back();
  return absl::StartsWith(bytes, kMetadataMagic) && !DecodeHeader(bytes);
}

absl::Status UnsupportedFormat(absl::string_view bytes, const std::string& shown_path) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition, ErrorReason::kUnsupportedFormat,
      absl::StrCat(shown_path, " has format version ", static_cast<int>(bytes[kMagicBytes - 1]),
                   "; this daemon knows versions up to ", static_cast<int>(kMetadataMagic.back()),
                   ": start a newer daemon, or restore a backup"),
      {{"file", shown_path}});
}

}  // namespace

absl::Status DamagedMetadata(const std::string& path, uint64_t offset, absl::string_view what) {
  return MakeError(
      absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
      absl::StrCat("the region's metadata ", path, " is damaged at byte ", offset, ": ", what,
                   ". Serving the region without it could bring deleted records "
                   "back; restore the file, or drop the region"),
      {{"file", path}, {"offset", absl::StrCat(offset)}});
}

std::string EncodeMetadataHeader(const MetadataIdentity& identity, uint64_t size) {
  std::string bytes(kMetadataMagic);
  bytes.resize(kMetadataHeaderBytes);
  const absl::string_view name = absl::string_view(identity.namespace_name)
                                     .substr(0, kMetadataHeaderBytes - kMetadataNameOffset);
  PutU32(bytes.data() + kMetadataNameLengthOffset, static_cast<uint32_t>(name.size()));
  PutU64(bytes.data() + kMetadataNamespaceOffset, identity.namespace_id);
  PutU64(bytes.data() + kMetadataRegionOffset, identity.region);
  PutU64(bytes.data() + kMetadataSizeOffset, size);
  bytes.replace(kMetadataNameOffset, name.size(), name.data(), name.size());
  PutU32(bytes.data() + kMetadataCrcOffset, CrcAround(bytes, kMetadataCrcOffset));
  return bytes;
}

std::string EncodeEntries(absl::Span<const MetadataEntry> entries, uint64_t append_number) {
  std::string bytes;
  for (const MetadataEntry& entry : entries) {
    const size_t begin = bytes.size();
    bytes.resize(begin + kEntryHeaderBytes + 8 * entry.fields.size());
    char* const at = bytes.data() + begin;
    at[0] = static_cast<char>(kEntryVersion);
    at[kEntryTypeOffset] = static_cast<char>(entry.type);
    PutBigEndian(at + kEntryLengthOffset, static_cast<uint16_t>(8 * entry.fields.size()));
    PutU64(at + kEntryAppendOffset, append_number);
    for (size_t i = 0; i < entry.fields.size(); ++i) {
      PutU64(at + kEntryHeaderBytes + 8 * i, entry.fields[i]);
    }
    PutU32(at + kEntryCrcOffset,
           CrcAround(absl::string_view(bytes).substr(begin), kEntryCrcOffset));
  }
  return bytes;
}

absl::StatusOr<std::optional<MetadataIdentity>> ReadMetadataIdentity(const File& file) {
  std::string bytes(kMetadataHeaderBytes, '\0');
  const absl::StatusOr<size_t> got = file.Read(0, absl::MakeSpan(bytes.data(), bytes.size()));
  if (!got.ok()) return got.status();
  bytes.resize(*got);
  const auto header = DecodeHeader(bytes);
  if (!header) return std::optional<MetadataIdentity>();
  return std::optional<MetadataIdentity>(header->identity);
}

absl::StatusOr<LoadedMetadata> LoadMetadata(const File& file, const std::string& shown_path) {
  const absl::StatusOr<uint64_t> size = file.Size();
  if (!size.ok()) return size.status();
  std::string bytes(*size, '\0');
  const absl::StatusOr<size_t> got = file.Read(0, absl::MakeSpan(bytes.data(), bytes.size()));
  if (!got.ok()) return got.status();
  bytes.resize(*got);
  const absl::string_view magic = absl::string_view(bytes).substr(0, kMagicBytes);
  if (magic == v1::kMetadataMagic) return v1::LoadMetadata(file, std::move(bytes), shown_path);
  if (magic != kMetadataMagic) {
    if (IsNewerVersion(bytes)) return UnsupportedFormat(bytes, shown_path);
    return DamagedMetadata(shown_path, 0, "its magic number does not match");
  }
  return LoadVersion2(file, std::move(bytes), shown_path);
}

}  // namespace walden::segment
