#include "engine/segment/inspect.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/segment/file_window.h"
#include "engine/segment/format.h"
#include "engine/segment/group_head.h"
#include "engine/segment/published_log.h"
#include "engine/segment/record_parser.h"
#include "engine/segment/region_scan.h"
#include "engine/segment/segment_file.h"

namespace walden::segment {
namespace {

bool Always(uint64_t) { return true; }

InspectedSegment Describe(const RegionDirectory& directory, const ScannedSegment& scanned) {
  InspectedSegment segment;
  segment.description = {.id = scanned.header.segment,
                         .file = SegmentFileName(scanned.header.segment),
                         .allocated_bytes = scanned.header.bytes,
                         .used_bytes = scanned.scan.end,
                         .first = scanned.scan.first,
                         .last = scanned.scan.last};
  for (const TableId table : scanned.scan.index.tables()) {
    const SegmentIndex::Range range = *scanned.scan.index.LiveRange(table);
    segment.description.tables.push_back({table, range.first, range.last});
  }
  segment.records = scanned.scan.records;
  segment.missing = scanned.missing;
  const SegmentFile file(
      nullptr, scanned.header, "",
      absl::StrCat(directory.shown_path, "/", SegmentFileName(scanned.header.segment)));
  for (const Damage& damage : scanned.damage) segment.damage.push_back(ShownDamage(file, damage));
  if (scanned.scan.torn) {
    segment.torn_begin = scanned.scan.torn->begin;
    segment.torn_end = scanned.scan.torn->end;
    segment.torn_reason = scanned.scan.torn->reason;
  }
  return segment;
}

std::vector<TableState> Tables(const std::vector<InspectedSegment>& segments,
                               const absl::flat_hash_map<TableId, SequenceNumber>& marks) {
  std::map<TableId, TableState> tables;
  for (const auto& [table, through] : marks) {
    tables[table].deleted_through = through;
    tables[table].next = through + 1;
  }
  for (const InspectedSegment& segment : segments) {
    for (const SegmentTableRange& range : segment.description.tables) {
      TableState& state = tables[range.table];
      state.next = std::max(state.next, range.last + 1);
      if (range.last <= state.deleted_through) continue;
      if (state.first_live == 0)
        state.first_live = std::max(range.first, state.deleted_through + 1);
      state.last_live = range.last;
    }
  }
  std::vector<TableState> sorted;
  for (auto& [table, state] : tables) {
    state.table = table;
    sorted.push_back(state);
  }
  return sorted;
}

// The beginning of a segment file, for inspection without metadata: its header and the number of
// its first record.
struct FileStart {
  SegmentHeader header;
  SequenceNumber first = 1;
};

absl::StatusOr<FileStart> StartOf(const File& file, uint64_t id, uint64_t size) {
  FileWindow window(file, size);
  auto bytes = window.Peek(0, kSegmentHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  FileStart start;
  if (const auto header = ParseSegmentHeader(*bytes)) {
    start.header = *header;
    const uint64_t at = header->GroupBegin(header->first_end());
    bytes = window.Peek(at, kGroupHeadBytes);
    if (!bytes.ok()) return bytes.status();
    if (const auto head = ParseGroupHead(*bytes, *header, at)) start.first = head->sequence;
    return start;
  }
  start.header = {.segment = id, .bytes = size};
  bytes = window.Peek(kMagicBytes, kHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  const uint64_t room = size - std::min<uint64_t>(size, kMagicBytes);
  ParseResult parsed = ParseRecord(*bytes, room);
  if (parsed.outcome == ParseOutcome::kNeedMore) {
    bytes = window.Peek(kMagicBytes, parsed.needed);
    if (!bytes.ok()) return bytes.status();
    parsed = ParseRecord(*bytes, room);
  }
  if (parsed.outcome == ParseOutcome::kRecord) start.first = parsed.record.sequence;
  return start;
}

absl::Status InspectSegmentsAlone(FileSystem* file_system, const RegionDirectory& directory,
                                  const std::vector<std::string>& names, InspectedRegion& region) {
  std::map<uint64_t, std::string> files;
  for (const std::string& name : names) {
    uint64_t id = 0;
    if (ParseSegmentFileName(name, &id)) files[id] = name;
  }
  for (const auto& [id, name] : files) {
    const auto file = file_system->OpenFile(absl::StrCat(directory.path, "/", name),
                                            FileSystem::OpenMode::kReadOnly);
    if (!file.ok()) return file.status();
    const absl::StatusOr<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    const auto start = StartOf(**file, id, *size);
    if (!start.ok()) return start.status();
    auto scan = ScanSegment(**file, {.header = start->header,
                                     .expected = start->first,
                                     .reach = start->header.bytes,
                                     .progress = Always});
    if (!scan.ok()) return scan.status();
    ScannedSegment scanned{.header = start->header, .expected = start->first};
    scanned.damage = scan->damage;
    scanned.scan = *std::move(scan);
    region.next = std::max(region.next, scanned.scan.next);
    region.segments.push_back(Describe(directory, scanned));
  }
  region.tables = Tables(region.segments, {});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InspectedRegion> InspectRegion(FileSystem* file_system,
                                              const std::string& directory_path) {
  const RegionDirectory directory{directory_path, directory_path, std::nullopt};
  const auto names = file_system->ListDirectory(directory.path);
  if (!names.ok()) return names.status();
  const bool looks_like_a_region = std::any_of(names->begin(), names->end(), [](const auto& name) {
    uint64_t id = 0;
    return name == kMetadataFileName || ParseSegmentFileName(name, &id);
  });
  if (!looks_like_a_region) {
    return MakeError(
        absl::StatusCode::kNotFound, ErrorReason::kNotFound,
        absl::StrCat(directory.path, " is not a region's directory: it has neither a ",
                     kMetadataFileName, " file nor segments (seg_0, ...). Regions are in ",
                     "<data directory>/<namespace>/<region id>"),
        {{"directory", directory.path}});
  }
  InspectedRegion region;
  const auto evidence = file_system->ListDirectory(absl::StrCat(directory.path, "/evidence"));
  if (evidence.ok()) {
    region.evidence_files = *evidence;
  } else if (!absl::IsNotFound(evidence.status())) {
    return evidence.status();
  }
  auto scan = ScanRegion(file_system, directory, [](uint64_t, uint64_t) { return true; });
  if (absl::IsDataLoss(scan.status())) {
    region.metadata = scan.status();
    const absl::Status status = InspectSegmentsAlone(file_system, directory, *names, region);
    if (!status.ok()) return status;
    return region;
  }
  if (!scan.ok()) return scan.status();
  region.closed_cleanly = scan->clean_end();
  region.region_version = scan->metadata.state.region_version;
  for (const ScannedSegment& scanned : scan->segments) {
    region.segments.push_back(Describe(directory, scanned));
  }
  region.tables = Tables(region.segments, scan->metadata.state.marks);
  region.leftovers = scan->leftovers;
  region.next = std::max(
      {scan->next, scan->metadata.state.reserved_through + 1, scan->metadata.state.number_floor});
  return region;
}

}  // namespace walden::segment
