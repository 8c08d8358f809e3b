#include "engine/segment/region_scan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "engine/segment/damage_search.h"
#include "engine/segment/file_window.h"
#include "engine/segment/format.h"
#include "engine/segment/published_log.h"
#include "engine/segment/record_parser.h"
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
  if (loaded.ok() && loaded->state.segments.empty()) {
    return NotALog(directory, std::string(kMetadataFileName), "names no segment");
  }
  return loaded;
}

// A segment file that the metadata does not name: the remains of a deletion, or of a creation that
// was not finished. Neither can hold a record that was acknowledged.
absl::Status CheckLeftover(FileSystem* file_system, const RegionDirectory& directory,
                           const std::string& name) {
  auto file = file_system->OpenFile(absl::StrCat(directory.path, "/", name), directory.mode);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  FileWindow window(**file, *size);
  const auto bytes = window.Peek(kMagicBytes, kHeaderBytes);
  if (!bytes.ok()) return bytes.status();
  ParseResult parsed = ParseRecord(*bytes, *size - std::min<uint64_t>(*size, kMagicBytes));
  if (parsed.outcome == ParseOutcome::kNeedMore) {
    const auto all = window.Peek(kMagicBytes, parsed.needed);
    if (!all.ok()) return all.status();
    parsed = ParseRecord(*all, *size - kMagicBytes);
  }
  if (parsed.outcome != ParseOutcome::kRecord) return absl::OkStatus();
  return NotALog(directory, name, "holds records, but the region's metadata does not know it");
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
    for (auto it = segments.begin(); it != segments.end(); ++it) {
      std::optional<KnownEnd> end;
      if (std::next(it) != segments.end()) {
        end = KnownEnd{std::nullopt, it->second.expected_behind};
      } else if (region_.metadata.state.closed) {
        end = KnownEnd{region_.metadata.state.closed->offset, region_.metadata.state.closed->next};
      }
      status = ScanOne(it->first, it->second, end);
      if (!status.ok()) return status;
      done_ += it->second.bytes;
    }
    return std::move(region_);
  }

 private:
  absl::Status ScanOne(uint64_t id, const MetadataState::Segment& segment,
                       const std::optional<KnownEnd>& end) {
    ScannedSegment scanned{.id = id, .bytes = segment.bytes, .expected = segment.expected};
    for (const MetadataState::Quarantine& q : region_.metadata.state.quarantines) {
      if (q.segment == id)
        scanned.damage.push_back({q.begin, q.end, q.first, q.last, "quarantined before"});
    }
    const auto report = [&](uint64_t offset) { return progress_(done_ + offset, total_); };
    SegmentScanOptions options{.size = segment.bytes,
                               .expected = segment.expected,
                               .reserved = region_.metadata.state.reserved_through,
                               .known_end = end,
                               .known_damage = scanned.damage,
                               .progress = report};
    auto file = file_system_->OpenFile(absl::StrCat(directory_.path, "/", SegmentFileName(id)),
                                       directory_.mode);
    if (absl::IsNotFound(file.status())) {
      Missing(options, scanned);
    } else if (!file.ok()) {
      return file.status();
    } else {
      const absl::StatusOr<uint64_t> size = (*file)->Size();
      if (!size.ok()) return size.status();
      scanned.short_file = *size < segment.bytes;
      scanned.written_unix_millis = (*file)->LastWrittenUnixMillis();
      auto scan = ScanSegment(**file, options);
      if (!scan.ok()) return scan.status();
      scanned.scan = *std::move(scan);
    }
    for (const Damage& damage : scanned.scan.damage) scanned.damage.push_back(damage);
    std::sort(scanned.damage.begin(), scanned.damage.end(),
              [](const Damage& a, const Damage& b) { return a.begin < b.begin; });
    LimitIndex(scanned);
    region_.next = scanned.scan.next;
    region_.records += scanned.scan.records;
    region_.bytes += scanned.scan.end;
    region_.segments.push_back(std::move(scanned));
    return absl::OkStatus();
  }

  // Each segment's index has its share of the memory, by size.
  void LimitIndex(ScannedSegment& scanned) const {
    if (!scanned.damage.empty() || total_ == 0) return;
    const double share = static_cast<double>(scanned.bytes) / static_cast<double>(total_);
    const double limit = static_cast<double>(directory_.max_index_bytes) * share;
    SegmentIndex& index = scanned.scan.index;
    while (static_cast<double>(index.MemoryBytes()) > limit && index.CanCoarsen()) index.Coarsen();
  }

  static void Missing(const SegmentScanOptions& options, ScannedSegment& scanned) {
    scanned.missing = true;
    const bool known = options.known_end && options.known_end->next >= options.expected;
    const SequenceNumber next =
        known ? options.known_end->next
              : Continuation{0, options.expected, options.reserved}.HighestAt(options.size);
    scanned.scan.end = options.size;
    scanned.scan.next = next;
    if (!scanned.damage.empty()) return;  // quarantined before
    Damage damage{0, options.size, 0, 0, "the file is missing"};
    if (next > options.expected) {
      damage.first = options.expected;
      damage.last = next - 1;
    }
    scanned.scan.damage.push_back(damage);
  }

  FileSystem* const file_system_;
  const RegionDirectory& directory_;
  const Progress progress_;
  RegionScan region_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

}  // namespace

bool RegionScan::damaged() const {
  return std::any_of(segments.begin(), segments.end(),
                     [](const ScannedSegment& segment) { return !segment.damage.empty(); });
}

std::vector<DamagedRange> RegionScan::Damaged(const RegionDirectory& directory) const {
  std::vector<DamagedRange> ranges;
  for (const ScannedSegment& segment : segments) {
    const SegmentFile file(nullptr, segment.id, "",
                           absl::StrCat(directory.shown_path, "/", SegmentFileName(segment.id)),
                           segment.bytes);
    for (const Damage& damage : segment.damage) ranges.push_back(ShownDamage(file, damage));
  }
  return ranges;
}

absl::StatusOr<RegionScan> ScanRegion(
    FileSystem* file_system, const RegionDirectory& directory,
    absl::FunctionRef<bool(uint64_t done, uint64_t total)> progress) {
  return RegionScanner(file_system, directory, progress).Scan();
}

}  // namespace walden::segment
