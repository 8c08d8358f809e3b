#include "engine/segment/region_scan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/segment/file_window.h"
#include "engine/segment/format.h"
#include "engine/segment/format_v1.h"
#include "engine/segment/group_reader.h"
#include "engine/segment/published_log.h"
#include "engine/segment/record_parser.h"
#include "engine/segment/record_search_v1.h"
#include "engine/segment/segment_file.h"

namespace walden::segment {
namespace {

using Progress = absl::FunctionRef<bool(uint64_t done, uint64_t total)>;

absl::Status NotALog(const RegionDirectory& directory, const std::string& name,
                     absl::string_view what) {
  const std::string file = absl::StrCat(directory.shown_path, "/", name);
  return MakeError(
      absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
      absl::StrCat(file, " ", what, "; restore the region's directory, or drop the region"),
      {{"file", file}, {"offset", "0"}});
}

absl::Status CheckIdentity(const RegionDirectory& directory,
                           const std::optional<MetadataIdentity>& found) {
  if (!found || !directory.identity || *found == *directory.identity) return absl::OkStatus();
  const MetadataIdentity& wanted = *directory.identity;
  if (found->namespace_id == wanted.namespace_id &&
      found->namespace_name == wanted.namespace_name) {
    return NotALog(directory, std::string(kMetadataFileName),
                   absl::StrCat("is of region ", found->region, ", not of region ", wanted.region));
  }
  return WrongNamespace(directory.shown_path, *found, wanted);
}

absl::StatusOr<LoadedMetadata> ReadMetadata(FileSystem* file_system,
                                            const RegionDirectory& directory) {
  auto file =
      file_system->OpenFile(absl::StrCat(directory.path, "/", kMetadataFileName), directory.mode);
  if (absl::IsNotFound(file.status())) {
    const auto names = file_system->ListDirectory(directory.path);
    if (!names.ok()) return names.status();
    return NotALog(directory, std::string(kMetadataFileName), "is missing");
  }
  if (!file.ok()) return file.status();
  auto loaded = LoadMetadata(**file, absl::StrCat(directory.shown_path, "/", kMetadataFileName));
  if (!loaded.ok()) return loaded;
  const absl::Status identity = CheckIdentity(directory, loaded->identity);
  if (!identity.ok()) return identity;
  if (loaded->state.segments.empty()) {
    return NotALog(directory, std::string(kMetadataFileName), "names no segment");
  }
  return loaded;
}

absl::StatusOr<bool> HoldsRecords(FileWindow& window) {
  auto bytes = window.Peek(0, kSegmentHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  if (bytes->substr(0, kMagicBytes) == v1::kSegmentMagic) {
    bytes = window.Peek(kMagicBytes, kHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    const uint64_t room = window.end() - kMagicBytes;
    ParseResult parsed = ParseRecord(*bytes, room);
    if (parsed.outcome == ParseOutcome::kNeedMore) {
      bytes = window.Peek(kMagicBytes, parsed.needed);
      if (!bytes.ok()) return bytes.status();
      parsed = ParseRecord(*bytes, room);
    }
    return parsed.outcome == ParseOutcome::kRecord;
  }
  const auto header = ParseSegmentHeader(*bytes);
  if (!header) return false;
  const uint64_t first = header->GroupBegin(header->first_end());
  bytes = window.Peek(first, kGroupHeadBytes);
  if (!bytes.ok()) return bytes.status();
  return ParseGroupHead(*bytes, *header, first).has_value();
}

// Checks a segment file that the metadata does not name: what a deletion or an unfinished creation
// left. Neither holds a record that was acknowledged.
absl::Status CheckLeftover(FileSystem* file_system, const RegionDirectory& directory,
                           const std::string& name) {
  auto file = file_system->OpenFile(absl::StrCat(directory.path, "/", name), directory.mode);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  FileWindow window(**file, *size);
  const auto holds = HoldsRecords(window);
  if (!holds.ok()) return holds.status();
  if (!*holds) return absl::OkStatus();
  return NotALog(directory, name, "holds records, but the region's metadata does not name it");
}

absl::Status FindLeftovers(FileSystem* file_system, const RegionDirectory& directory,
                           RegionScan& region) {
  const auto names = file_system->ListDirectory(directory.path);
  if (!names.ok()) return names.status();
  const MetadataState& state = region.metadata.state;
  for (const std::string& name : *names) {
    uint64_t id = 0;
    if (!ParseSegmentFileName(name, &id) || state.segments.contains(id)) continue;
    if (id >= state.next_segment_id) {
      const absl::Status status = CheckLeftover(file_system, directory, name);
      if (!status.ok()) return status;
    }
    region.leftovers.push_back(name);
  }
  return absl::OkStatus();
}

bool Covers(const Damage& outer, const Damage& inner) {
  const bool has_bytes = outer.begin <= inner.begin && inner.end <= outer.end;
  const bool has_numbers =
      inner.last == 0 || (outer.first <= inner.first && inner.last <= outer.last);
  return has_bytes && has_numbers;
}

// Orders the ranges by position and drops those that lie within another one.
void OrderAndDropCovered(std::vector<Damage>& ranges) {
  std::stable_sort(ranges.begin(), ranges.end(), [](const Damage& a, const Damage& b) {
    if (a.begin != b.begin) return a.begin < b.begin;
    return a.end != b.end ? a.end > b.end : a.last > b.last;
  });
  std::vector<Damage> kept;
  for (Damage& range : ranges) {
    const bool covered = std::any_of(kept.begin(), kept.end(),
                                     [&](const Damage& outer) { return Covers(outer, range); });
    if (!covered) kept.push_back(std::move(range));
  }
  ranges = std::move(kept);
}

class RegionScanner {
 public:
  RegionScanner(FileSystem* file_system, const RegionDirectory& directory, Progress progress)
      : file_system_(file_system), directory_(directory), progress_(progress) {}

  absl::StatusOr<RegionScan> Scan() {
    auto metadata = ReadMetadata(file_system_, directory_);
    if (!metadata.ok()) return metadata.status();
    region_.metadata = *std::move(metadata);
    absl::Status status = FindLeftovers(file_system_, directory_, region_);
    if (!status.ok()) return status;
    const auto& segments = region_.metadata.state.segments;
    for (const auto& [id, segment] : segments) total_ += segment.bytes;
    for (const auto& [id, segment] : segments) {
      status = ScanOne(id, segment);
      if (!status.ok()) return status;
      done_ += segment.bytes;
    }
    status = CheckMetadataIsNotOlder();
    if (!status.ok()) return status;
    return std::move(region_);
  }

 private:
  SegmentHeader HeaderOf(uint64_t id, const MetadataState::Segment& segment) const {
    SegmentHeader header{.alignment = segment.alignment,
                         .salt = segment.salt,
                         .segment = id,
                         .bytes = segment.bytes};
    if (region_.metadata.identity) {
      header.namespace_id = region_.metadata.identity->namespace_id;
      header.region = region_.metadata.identity->region;
    }
    return header;
  }

  // The end of the segment, if the metadata has it.
  std::optional<KnownEnd> EndOf(uint64_t id, const MetadataState::Segment& segment) const {
    const MetadataState& state = region_.metadata.state;
    const auto offset = [](uint64_t end) {
      return end == 0 ? std::nullopt : std::optional<uint64_t>(end);
    };
    if (segment.expected_behind != 0) {
      return KnownEnd{offset(segment.sealed_end), segment.expected_behind};
    }
    if (state.closed) return KnownEnd{offset(state.closed->offset), state.closed->next};
    // Version 2 never writes to a version 1 segment, so its end is the one that the upgrade noted.
    const bool upgraded = segment.alignment == 0 && !region_.metadata.version_1();
    if (upgraded && state.watermark && state.watermark->segment == id) {
      return KnownEnd{offset(state.watermark->end), state.watermark->next};
    }
    return std::nullopt;
  }

  absl::Status ScanOne(uint64_t id, const MetadataState::Segment& segment) {
    const MetadataState& state = region_.metadata.state;
    ScannedSegment scanned{.header = HeaderOf(id, segment), .expected = segment.expected};
    for (const MetadataState::Quarantine& q : state.quarantines) {
      if (q.segment == id)
        scanned.damage.push_back({q.begin, q.end, q.first, q.last, "quarantined before"});
    }
    OrderAndDropCovered(scanned.damage);
    const auto report = [&](uint64_t offset) { return progress_(done_ + offset, total_); };
    SegmentScanOptions options{.header = scanned.header,
                               .expected = segment.expected,
                               .reserved = state.reserved_through,
                               .known_end = EndOf(id, segment),
                               .durable_end = scanned.header.first_end(),
                               .durable_next = segment.expected,
                               .reach = scanned.header.first_end() + kMinReachBytes,
                               .known_damage = scanned.damage,
                               .progress = report};
    if (state.watermark && state.watermark->segment == id) {
      options.durable_end = state.watermark->end;
      options.durable_next = state.watermark->next;
      options.reach = state.watermark->reach;
    }
    const std::string path = absl::StrCat(directory_.path, "/", SegmentFileName(id));
    auto file = file_system_->OpenFile(path, directory_.mode);
    if (absl::IsNotFound(file.status())) {
      Missing(options, scanned);
    } else if (!file.ok()) {
      return file.status();
    } else {
      auto scan = ScanSegment(**file, options);
      if (!scan.ok()) return scan.status();
      scanned.scan = *std::move(scan);
      const absl::StatusOr<uint64_t> size = (*file)->Size();
      if (!size.ok()) return size.status();
      if (scanned.header.version_1()) {
        CheckLengthV1(*size, options, scanned);
        const absl::StatusOr<absl::Time> written = file_system_->LastWritten(path);
        if (!written.ok()) return written.status();
        scanned.file_written = *written;
      }
    }
    for (const Damage& damage : scanned.scan.damage) scanned.damage.push_back(damage);
    OrderAndDropCovered(scanned.damage);
    scanned.written_unix_micros = scanned.scan.written_unix_micros;
    LimitIndex(scanned);
    region_.next = scanned.scan.next;
    region_.records += scanned.scan.records;
    region_.bytes += scanned.scan.end;
    region_.segments.push_back(std::move(scanned));
    return absl::OkStatus();
  }

  // Makes the segment's index coarser until it fits the segment's share of the memory, by size.
  void LimitIndex(ScannedSegment& scanned) const {
    if (!scanned.damage.empty() || total_ == 0) return;
    const double share = static_cast<double>(scanned.header.bytes) / static_cast<double>(total_);
    const double limit = static_cast<double>(directory_.max_index_bytes) * share;
    SegmentIndex& index = scanned.scan.index;
    while (static_cast<double>(index.MemoryBytes()) > limit && index.CanCoarsen()) index.Coarsen();
  }

  // A file has its full length before it is used, so a shorter one lost its end.
  static void CheckLengthV1(uint64_t size, const SegmentScanOptions& options,
                            ScannedSegment& scanned) {
    SegmentScan& scan = scanned.scan;
    if (options.known_end || size >= scanned.header.bytes || scan.end >= scanned.header.bytes) {
      return;
    }
    const SequenceNumber next =
        v1::Continuation{scan.end, scan.next, options.reserved}.HighestAt(scanned.header.bytes);
    scan.torn.reset();
    scan.damage.push_back(
        {scan.end, scanned.header.bytes, scan.next, next - 1,
         absl::StrCat("the file has ", size, " bytes, and was made with ", scanned.header.bytes)});
    scan.end = scanned.header.bytes;
    scan.next = next;
  }

  static void Missing(const SegmentScanOptions& options, ScannedSegment& scanned) {
    scanned.missing = true;
    const uint64_t size = options.header.bytes;
    const bool known = options.known_end && options.known_end->next >= options.expected;
    SequenceNumber next =
        known ? options.known_end->next
              : v1::Continuation{0, options.expected, options.reserved}.HighestAt(size);
    // A range that was quarantined before may cover only a part of the file.
    bool all_known = false;
    for (const Damage& damage : scanned.damage) {
      if (damage.last > 0) next = std::max(next, damage.last + 1);
      all_known |= damage.begin == 0 && damage.end >= size;
    }
    scanned.scan.end = size;
    scanned.scan.next = next;
    if (all_known) return;
    Damage damage{0, size, 0, 0, "the file is missing"};
    if (next > options.expected) {
      damage.first = options.expected;
      damage.last = next - 1;
    }
    scanned.scan.damage.push_back(damage);
  }

  // Each group holds the number of a write of the metadata that was durable before it.
  absl::Status CheckMetadataIsNotOlder() const {
    for (const ScannedSegment& segment : region_.segments) {
      if (segment.scan.metadata_append <= region_.metadata.last_append) continue;
      return DamagedMetadata(
          absl::StrCat(directory_.shown_path, "/", kMetadataFileName), region_.metadata.end,
          absl::StrCat("it ends with write ", region_.metadata.last_append, ", and ",
                       SegmentFileName(segment.header.segment), " says at byte ",
                       segment.scan.metadata_append_at, " that there was write ",
                       segment.scan.metadata_append, " before"));
    }
    return absl::OkStatus();
  }

  FileSystem* const file_system_;
  const RegionDirectory& directory_;
  const Progress progress_;
  RegionScan region_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

}  // namespace

absl::Status WrongNamespace(const std::string& shown_path, const MetadataIdentity& found,
                            const MetadataIdentity& wanted) {
  const auto show = [](const MetadataIdentity& identity) {
    return absl::StrCat(identity.namespace_name, " (id ", identity.namespace_id, ")");
  };
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongNamespace,
                   absl::StrCat(shown_path, " was written by namespace ", show(found),
                                ", and the configuration gives it to namespace ", show(wanted),
                                ": correct the configuration, or restore the right directory"),
                   {{"file", shown_path}, {"found", show(found)}, {"configured", show(wanted)}});
}

int64_t RegionScan::written_unix_micros() const {
  int64_t latest = 0;
  for (const ScannedSegment& segment : segments) {
    latest = std::max(latest, segment.written_unix_micros.value_or(0));
  }
  return latest;
}

bool RegionScan::damaged() const {
  return std::any_of(segments.begin(), segments.end(),
                     [](const ScannedSegment& segment) { return !segment.damage.empty(); });
}

std::vector<DamagedRange> RegionScan::Damaged(const RegionDirectory& directory) const {
  std::vector<DamagedRange> ranges;
  for (const ScannedSegment& segment : segments) {
    const SegmentFile file(
        nullptr, segment.header, "",
        absl::StrCat(directory.shown_path, "/", SegmentFileName(segment.header.segment)));
    for (const Damage& damage : segment.damage) ranges.push_back(ShownDamage(file, damage));
  }
  return ranges;
}

std::vector<DamagedRange> RegionScan::Lost(const RegionDirectory& directory) const {
  std::vector<DamagedRange> ranges;
  for (const MetadataState::Quarantine& q : metadata.state.quarantines) {
    if (metadata.state.segments.contains(q.segment)) continue;
    ranges.push_back({.file = absl::StrCat(directory.shown_path, "/", SegmentFileName(q.segment)),
                      .offset = q.begin,
                      .length = q.end - q.begin,
                      .first = q.first,
                      .last = q.last,
                      .reason = "quarantined; its segment is gone"});
  }
  return ranges;
}

absl::StatusOr<RegionScan> ScanRegion(
    FileSystem* file_system, const RegionDirectory& directory,
    absl::FunctionRef<bool(uint64_t done, uint64_t total)> progress) {
  return RegionScanner(file_system, directory, progress).Scan();
}

}  // namespace walden::segment
