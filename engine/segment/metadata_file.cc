#include "engine/segment/metadata_file.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/big_endian.h"
#include "engine/checksum.h"
#include "engine/error.h"
#include "engine/segment/damage_search.h"

namespace walden::segment {
namespace {

// Fields of each type's body.
std::optional<size_t> FieldCount(EntryType type) {
  switch (type) {
    case EntryType::kSegmentCreated:
      return 3;
    case EntryType::kSegmentDeleted:
      return 1;
    case EntryType::kTableMark:
      return 2;
    case EntryType::kRegionVersion:
      return 1;
    case EntryType::kSequenceReserved:
      return 1;
    case EntryType::kProducerBatch:
      return 5;
    case EntryType::kQuarantined:
      return 5;
    case EntryType::kClosed:
      return 3;
    case EntryType::kOpened:
      return 0;
    case EntryType::kTableKind:
    case EntryType::kTableOffset:
      return 2;
  }
  return std::nullopt;
}

uint32_t EntryCrc(absl::string_view entry) {
  const uint32_t running = Crc32cExtend(kCrc32cStart, entry.substr(0, 1));
  return Crc32cFinish(Crc32cExtend(running, entry.substr(kEntryAppendOffset)));
}

std::string Encode(absl::Span<const MetadataEntry> entries, uint32_t append_number) {
  std::string bytes;
  for (const MetadataEntry& entry : entries) {
    const size_t begin = bytes.size();
    bytes.resize(begin + kEntryHeaderBytes + 8 * entry.fields.size());
    char* const at = bytes.data() + begin;
    at[0] = static_cast<char>(kEntryVersion);
    PutU32(at + kEntryAppendOffset, append_number);
    at[kEntryTypeOffset] = static_cast<char>(entry.type);
    PutU32(at + kEntryLengthOffset, static_cast<uint32_t>(8 * entry.fields.size()));
    for (size_t i = 0; i < entry.fields.size(); ++i) {
      PutU64(at + kEntryHeaderBytes + 8 * i, entry.fields[i]);
    }
    PutU32(at + kEntryCrcOffset, EntryCrc(absl::string_view(bytes).substr(begin)));
  }
  return bytes;
}

struct DecodedEntry {
  MetadataEntry entry;
  uint32_t append_number = 0;
  size_t bytes = 0;
};

// The entry that `bytes` begin with; nullopt if there is no valid one.
std::optional<DecodedEntry> Decode(absl::string_view bytes) {
  if (bytes.size() < kEntryHeaderBytes || static_cast<uint8_t>(bytes[0]) != kEntryVersion) {
    return std::nullopt;
  }
  const uint32_t body = GetU32(bytes.data() + kEntryLengthOffset);
  if (body > kMaxEntryBodyBytes || bytes.size() < kEntryHeaderBytes + body) return std::nullopt;
  bytes = bytes.substr(0, kEntryHeaderBytes + body);
  if (EntryCrc(bytes) != GetU32(bytes.data() + kEntryCrcOffset)) return std::nullopt;
  DecodedEntry decoded{{}, GetU32(bytes.data() + kEntryAppendOffset), bytes.size()};
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

absl::Status DamagedMetadata(const std::string& path, uint64_t offset, absl::string_view what) {
  return MakeError(
      absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
      absl::StrCat("the region's metadata ", path, " is damaged at byte ", offset, ": ", what,
                   ". Serving the region without it could bring deleted records "
                   "back; restore the file, or drop the region"),
      {{"file", path}, {"offset", absl::StrCat(offset)}});
}

// Whatever went wrong, even a lack of room: whether the entries are stored is unknown.
absl::Status InDoubt(const absl::Status& cause) {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, cause.message());
}

// How far a broken entry reaches at least. Its type and its length field both tell; where they
// differ one of them is damaged, and the lower is the safer guess.
uint64_t BrokenEntryBytes(absl::string_view entry) {
  if (entry.size() < kEntryHeaderBytes) return kEntryHeaderBytes;
  uint64_t body = kMaxEntryBodyBytes;
  body = std::min<uint64_t>(body, GetU32(entry.data() + kEntryLengthOffset));
  const auto fields = FieldCount(static_cast<EntryType>(entry[kEntryTypeOffset]));
  if (fields) body = std::min<uint64_t>(body, 8 * *fields);
  return kEntryHeaderBytes + body;
}

// A cut write leaves a sector unwritten; anything else that is no entry is damage.
absl::StatusOr<uint64_t> TornBytes(const File& file, uint64_t size, uint64_t end,
                                   absl::string_view rest, uint32_t last_append,
                                   const std::string& path) {
  FileWindow window(file, size);
  const auto last = LastNonZero(window, end, size);
  if (!last.ok()) return last.status();
  if (*last == end) return 0;
  for (size_t i = 1; i < rest.size(); ++i) {
    // A later write began only after this one was durable.
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

}  // namespace

MetadataEntry MetadataEntry::SegmentCreated(uint64_t id, SequenceNumber expected, uint64_t bytes) {
  return {EntryType::kSegmentCreated, {id, expected, bytes}};
}
MetadataEntry MetadataEntry::SegmentDeleted(uint64_t id) {
  return {EntryType::kSegmentDeleted, {id}};
}
MetadataEntry MetadataEntry::TableMark(TableId table, SequenceNumber through) {
  return {EntryType::kTableMark, {table, through}};
}
MetadataEntry MetadataEntry::RegionVersion(uint64_t version) {
  return {EntryType::kRegionVersion, {version}};
}
MetadataEntry MetadataEntry::SequenceReserved(SequenceNumber through) {
  return {EntryType::kSequenceReserved, {through}};
}
MetadataEntry MetadataEntry::Closed(uint64_t segment, uint64_t offset, SequenceNumber next) {
  return {EntryType::kClosed, {segment, offset, next}};
}
MetadataEntry MetadataEntry::Opened() { return {EntryType::kOpened, {}}; }
MetadataEntry MetadataEntry::EntryTable(TableId table) {
  return {EntryType::kTableKind, {table, kEntryTable}};
}

MetadataEntry MetadataEntry::TableOffset(TableId table, uint64_t offset) {
  return {EntryType::kTableOffset, {table, offset}};
}

void MetadataState::Apply(const MetadataEntry& entry) {
  const std::vector<uint64_t>& f = entry.fields;
  switch (entry.type) {
    case EntryType::kSegmentCreated:
      segments[f[0]] = {.expected = f[1], .bytes = f[2]};
      if (const auto before = segments.find(f[0] - 1); f[0] > 0 && before != segments.end()) {
        before->second.expected_behind = f[1];
      }
      next_segment_id = std::max(next_segment_id, f[0] + 1);
      break;
    case EntryType::kSegmentDeleted:
      segments.erase(f[0]);
      next_segment_id = std::max(next_segment_id, f[0] + 1);
      std::erase_if(quarantines, [&](const Quarantine& q) { return q.segment == f[0]; });
      break;
    case EntryType::kTableMark:
      marks[f[0]] = f[1];
      break;
    case EntryType::kRegionVersion:
      region_version = f[0];
      break;
    case EntryType::kSequenceReserved:
      reserved_through = f[0];
      break;
    case EntryType::kProducerBatch:
      producers.push_back({f[0], f[1], f[2], f[3], f[4]});
      break;
    case EntryType::kQuarantined:
      quarantines.push_back({f[0], f[1], f[2], f[3], f[4]});
      break;
    case EntryType::kClosed:
      closed = CleanEnd{f[0], f[1], f[2]};
      break;
    case EntryType::kOpened:
      closed.reset();
      break;
    case EntryType::kTableKind:
      entry_tables.insert(f[0]);
      break;
    case EntryType::kTableOffset:
      offsets[f[0]] = f[1];
      break;
  }
}

std::vector<MetadataEntry> MetadataState::AsEntries() const {
  std::vector<MetadataEntry> entries;
  if (next_segment_id > 0 && !segments.contains(next_segment_id - 1)) {
    entries.push_back(MetadataEntry::SegmentDeleted(next_segment_id - 1));
  }
  for (const auto& [id, segment] : segments) {
    entries.push_back(MetadataEntry::SegmentCreated(id, segment.expected, segment.bytes));
    if (segment.expected_behind != 0 && !segments.contains(id + 1)) {
      // Its successor is gone, but still says where this one ends.
      entries.push_back(MetadataEntry::SegmentCreated(id + 1, segment.expected_behind, 0));
      entries.push_back(MetadataEntry::SegmentDeleted(id + 1));
    }
  }
  std::map<TableId, SequenceNumber> sorted_marks(marks.begin(), marks.end());
  for (const auto& [table, through] : sorted_marks) {
    entries.push_back(MetadataEntry::TableMark(table, through));
  }
  const std::set<TableId> sorted_tables(entry_tables.begin(), entry_tables.end());
  for (const TableId table : sorted_tables) entries.push_back(MetadataEntry::EntryTable(table));
  const std::map<TableId, uint64_t> sorted_offsets(offsets.begin(), offsets.end());
  for (const auto& [table, offset] : sorted_offsets) {
    entries.push_back(MetadataEntry::TableOffset(table, offset));
  }
  if (region_version != 0) entries.push_back(MetadataEntry::RegionVersion(region_version));
  if (reserved_through != 0) entries.push_back(MetadataEntry::SequenceReserved(reserved_through));
  for (const ProducerBatch& p : producers) {
    entries.push_back({EntryType::kProducerBatch, {p.id, p.table, p.sequence, p.first, p.last}});
  }
  for (const Quarantine& q : quarantines) {
    entries.push_back({EntryType::kQuarantined, {q.segment, q.begin, q.end, q.first, q.last}});
  }
  if (closed) {
    entries.push_back(MetadataEntry::Closed(closed->segment, closed->offset, closed->next));
  }
  return entries;
}

absl::StatusOr<LoadedMetadata> LoadMetadata(const File& file, const std::string& shown_path) {
  const absl::StatusOr<uint64_t> size = file.Size();
  if (!size.ok()) return size.status();
  std::string bytes(*size, '\0');
  const absl::StatusOr<size_t> got = file.Read(0, absl::MakeSpan(bytes.data(), bytes.size()));
  if (!got.ok()) return got.status();
  bytes.resize(*got);
  absl::string_view rest = bytes;
  if (rest.substr(0, kMagicBytes) != kMetadataMagic) {
    return DamagedMetadata(shown_path, 0, "its magic number does not match");
  }
  rest.remove_prefix(kMagicBytes);
  LoadedMetadata loaded;
  while (const auto decoded = Decode(rest)) {
    loaded.state.Apply(decoded->entry);
    loaded.last_append = decoded->append_number;
    rest.remove_prefix(decoded->bytes);
  }
  loaded.end = bytes.size() - rest.size();
  const auto torn = TornBytes(file, bytes.size(), loaded.end, rest, loaded.last_append, shown_path);
  if (!torn.ok()) return torn.status();
  loaded.torn_bytes = *torn;
  bytes.resize(loaded.end);
  loaded.bytes = std::move(bytes);
  return loaded;
}

absl::StatusOr<std::unique_ptr<MetadataFile>> MetadataFile::Create(
    FileSystem* file_system, const std::string& directory,
    absl::Span<const MetadataEntry> entries) {
  std::unique_ptr<MetadataFile> metadata(new MetadataFile(file_system, directory, nullptr));
  MetadataState state;
  for (const MetadataEntry& entry : entries) state.Apply(entry);
  const absl::Status written = metadata->Replace(state);
  if (!written.ok()) return written;
  metadata->state_ = std::move(state);
  return metadata;
}

absl::StatusOr<std::unique_ptr<MetadataFile>> MetadataFile::Open(FileSystem* file_system,
                                                                 const std::string& directory,
                                                                 LoadedMetadata loaded) {
  auto file = file_system->OpenFile(absl::StrCat(directory, "/", kMetadataFileName),
                                    FileSystem::OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  std::unique_ptr<MetadataFile> metadata(
      new MetadataFile(file_system, directory, *std::move(file)));
  metadata->size_ = *size;
  metadata->end_ = loaded.end;
  metadata->last_append_ = loaded.last_append;
  metadata->state_ = std::move(loaded.state);
  loaded.bytes.append(loaded.torn_bytes, '\0');
  absl::Status status = metadata->file_->Write(0, {loaded.bytes});
  if (status.ok()) status = metadata->file_->SyncData();
  if (status.ok()) status = file_system->SyncDirectory(directory);
  if (status.ok()) status = metadata->PrepareReplacement(*size);
  // Without room for it now, the next replacement tries again.
  if (!status.ok() && !absl::IsResourceExhausted(status)) return status;
  return metadata;
}

absl::Status MetadataFile::Append(absl::Span<const MetadataEntry> entries) {
  const std::string bytes = Encode(entries, last_append_ + 1);
  if (end_ + bytes.size() > size_) {
    MetadataState next = state_;
    for (const MetadataEntry& entry : entries) next.Apply(entry);
    const absl::Status replaced = Replace(next);
    if (replaced.ok()) state_ = std::move(next);
    return replaced;
  }
  absl::Status status = file_->Write(end_, {bytes});
  if (status.ok()) status = file_->SyncData();
  if (!status.ok()) return InDoubt(status);
  end_ += bytes.size();
  ++last_append_;
  for (const MetadataEntry& entry : entries) state_.Apply(entry);
  return absl::OkStatus();
}

std::string MetadataFile::Path() const { return absl::StrCat(directory_, "/", kMetadataFileName); }

absl::Status MetadataFile::PrepareReplacement(uint64_t size) {
  replacement_.reset();
  const std::string path = Path() + ".tmp";
  absl::Status status = file_system_->RemoveFile(path);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  auto file = file_system_->CreateFile(path);
  if (!file.ok()) return file.status();
  status = (*file)->Allocate(size);
  if (!status.ok()) {
    // Best effort: the next attempt removes it first.
    (void)file_system_->RemoveFile(path);
    return status;
  }
  replacement_ = *std::move(file);
  replacement_size_ = size;
  return absl::OkStatus();
}

absl::Status MetadataFile::Replace(const MetadataState& state) {
  const std::string bytes = absl::StrCat(kMetadataMagic, Encode(state.AsEntries(), 0));
  // Twice what is needed, so that replacements stay rare; on a full disk a little more must do.
  const uint64_t size = std::max<uint64_t>(kMinMetadataBytes, 2 * bytes.size());
  if (replacement_ == nullptr || replacement_size_ < bytes.size() + bytes.size() / 4) {
    const absl::Status prepared = PrepareReplacement(size);
    if (!prepared.ok()) return prepared;
  }
  absl::Status status = replacement_->Write(0, {bytes});
  if (status.ok()) status = replacement_->SyncData();
  if (status.ok()) status = file_system_->Rename(Path() + ".tmp", Path());
  if (status.ok()) status = file_system_->SyncDirectory(directory_);
  // Once the name may be durable, only a success says which file it means.
  if (!status.ok()) return InDoubt(status);
  file_ = std::move(replacement_);
  size_ = replacement_size_;
  end_ = bytes.size();
  last_append_ = 0;
  // Without room for it now, the next replacement tries again.
  (void)PrepareReplacement(size);
  return absl::OkStatus();
}

}  // namespace walden::segment
