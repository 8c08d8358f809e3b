// Opening a region: scan, decide, repair (segment_log_repair.cc), publish.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/segment/format.h"
#include "engine/segment/segment_log.h"
#include "engine/segment/segment_reader.h"

namespace walden::segment {

absl::StatusOr<std::unique_ptr<SegmentLog>> SegmentLog::Open(Environment environment) {
  std::unique_ptr<SegmentLog> log(new SegmentLog(std::move(environment)));
  const absl::Status status = log->Recover();
  if (!status.ok()) return status;
  return log;
}

absl::Status SegmentLog::Recover() {
  const absl::Duration start = env_.clock->Now();
  auto scanned =
      ScanRegion(env_.file_system, env_.directory, [](uint64_t, uint64_t) { return true; });
  if (!scanned.ok()) return scanned.status();
  RegionScan& region = *scanned;
  OpeningReport report;
  absl::Status status = ApplyPolicy(region, report);
  for (DamagedRange& lost : region.Lost(env_.directory)) {
    report.outcome = OpeningReport::Outcome::kQuarantined;
    report.damaged.push_back(std::move(lost));
  }
  // The tail of a version 1 log is repaired before the metadata is replaced. Until the replacement
  // version 1's rules hold for both.
  const bool upgrade = region.metadata.version_1();
  if (status.ok() && upgrade) status = OpenNewest(region, report);
  if (status.ok()) status = OpenMetadata(region);
  if (status.ok()) status = RemoveLeftovers(region);
  if (status.ok() && !upgrade) status = Quarantine(region);
  if (status.ok() && !upgrade) status = OpenNewest(region, report);
  if (!status.ok()) return status;
  RestoreProducers(region);
  status = Publish(region);
  if (status.ok()) status = NoteOpened(region);
  if (!status.ok()) return status;
  report.duration_micros =
      static_cast<uint64_t>(absl::ToInt64Microseconds(env_.clock->Now() - start));
  published_->SetOpening(std::move(report));
  return absl::OkStatus();
}

absl::Status SegmentLog::ApplyPolicy(const RegionScan& region, OpeningReport& report) const {
  report.damaged = region.Damaged(env_.directory);
  report.records_scanned = region.records;
  report.bytes_scanned = region.bytes;
  if (!region.damaged()) return absl::OkStatus();
  report.outcome = OpeningReport::Outcome::kQuarantined;
  if (env_.options.recovery_policy != RecoveryPolicy::kRefuse) return absl::OkStatus();
  std::string refused =
      absl::StrCat("region ", env_.directory.shown_path, " is refused (recovery_policy: refuse)");
  if (report.damaged.size() > 1) {
    absl::StrAppend(&refused, ", ", report.damaged.size(), " damaged ranges, the first");
  }
  return WithContext(DamageError(report.damaged.front()), refused);
}

absl::Status SegmentLog::OpenMetadata(RegionScan& region) {
  absl::StatusOr<std::unique_ptr<MetadataFile>> metadata = absl::UnknownError("");
  if (region.metadata.version_1()) {
    MetadataState& state = region.metadata.state;
    for (const ScannedSegment& segment : region.segments) {
      for (const Damage& damage : segment.scan.damage) {
        state.quarantines.push_back(
            {segment.header.segment, damage.begin, damage.end, damage.first, damage.last});
      }
    }
    // Version 2 never writes to a version 1 segment, so the newest one ends here.
    const ScannedSegment& newest = region.segments.back();
    state.watermark = Watermark{.segment = newest.header.segment,
                                .end = newest.scan.end,
                                .next = newest.scan.next,
                                .reach = newest.scan.end};
    // The clock may be behind the one by which the segments were written.
    absl::Time by = absl::FromUnixMillis(env_.wall_clock->UnixMillis());
    for (const ScannedSegment& segment : region.segments) {
      by = std::max(by, segment.file_written);
    }
    state.upgraded_millis = absl::ToUnixMillis(by);
    metadata = MetadataFile::Upgrade(env_.file_system, env_.directory.path,
                                     *env_.directory.identity, state);
  } else {
    metadata = MetadataFile::Open(env_.file_system, env_.directory.path, region.metadata);
  }
  if (!metadata.ok()) return metadata.status();
  metadata_ = *std::move(metadata);
  return absl::OkStatus();
}

absl::Status SegmentLog::RemoveLeftovers(const RegionScan& region) {
  for (const std::string& name : region.leftovers) {
    const absl::Status status =
        env_.file_system->RemoveFile(absl::StrCat(env_.directory.path, "/", name));
    if (status.ok()) continue;
    env_.observer->OnProblem(
        WithContext(status, "a segment that was deleted, or not finished, takes disk for nothing"));
  }
  return absl::OkStatus();
}

absl::Status SegmentLog::Quarantine(RegionScan& region) {
  std::vector<MetadataEntry> quarantined;
  SequenceNumber lost_through = 0;
  for (const ScannedSegment& segment : region.segments) {
    for (const Damage& damage : segment.scan.damage) {
      quarantined.push_back(
          {EntryType::kQuarantined,
           {segment.header.segment, damage.begin, damage.end, damage.first, damage.last}});
      lost_through = std::max({lost_through, damage.last, segment.scan.producers_lost_through});
    }
  }
  if (quarantined.empty()) return absl::OkStatus();
  // Producers are forgotten first: a crash may leave a prefix of the entries, and the next opening
  // does not examine known damage again.
  std::vector<MetadataEntry> entries;
  ForgetProducersBefore(lost_through, entries);
  NoteProvenDurable(region, entries);
  entries.insert(entries.end(), quarantined.begin(), quarantined.end());
  return AppendMetadata(entries);
}

// Damage inside of a group is found because the group was durable. Only groups after it may say so,
// and these may be gone at the next opening: they need not be durable themselves.
void SegmentLog::NoteProvenDurable(const RegionScan& region,
                                   std::vector<MetadataEntry>& entries) const {
  const ScannedSegment& newest = region.segments.back();
  const std::optional<Watermark>& noted = metadata_->state().watermark;
  if (region.clean_end() || newest.scan.damage.empty() || !noted) return;
  if (noted->segment != newest.header.segment || noted->end >= newest.scan.durable_end) return;
  entries.push_back(MetadataEntry::Noted({.segment = newest.header.segment,
                                          .end = newest.scan.durable_end,
                                          .next = newest.scan.durable_next,
                                          .reach = noted->reach}));
}

absl::Status SegmentLog::OpenNewest(RegionScan& region, OpeningReport& report) {
  const ScannedSegment& newest = region.segments.back();
  active_header_ = newest.header;
  active_end_ = newest.scan.end;
  durable_end_ = newest.scan.end;
  group_metadata_append_ = newest.scan.metadata_append;
  last_unix_micros_ = region.written_unix_micros();
  if (newest.missing) return absl::OkStatus();  // a new segment is due
  auto opened = env_.file_system->OpenFile(SegmentPath(newest.header.segment),
                                           FileSystem::OpenMode::kReadWrite);
  if (!opened.ok()) return opened.status();
  std::unique_ptr<File> file = *std::move(opened);
  absl::Status status;
  if (!region.clean_end()) status = WriteTailAgain(newest, *file);
  // The heads of the groups that are cut may be the only proof that damaged groups were durable.
  if (status.ok() && newest.scan.torn && !newest.damage.empty() && !newest.header.version_1()) {
    const std::optional<Watermark>& noted = metadata_->state().watermark;
    const bool is_newest = noted && noted->segment == newest.header.segment;
    status = AppendMetadata({MetadataEntry::Noted(
        {.segment = newest.header.segment,
         .end = durable_end_,
         .next = region.next,
         .reach = std::max(durable_end_ + kMinReachBytes, is_newest ? noted->reach : 0)})});
  }
  if (status.ok() && newest.scan.torn) status = CutTornTail(newest, *file, report);
  // A version 1 file and a damaged file are never appended to.
  if (status.ok() && !newest.header.version_1() && newest.damage.empty()) active_ = std::move(file);
  return status;
}

// Notes for the next opening that everything found is durable, and the lowest number that may be
// given out.
absl::Status SegmentLog::NoteOpened(const RegionScan& region) {
  const MetadataState& state = metadata_->state();
  durable_next_ = written_next_ = walk_next_;
  published_->SetDurableNext(durable_next_);
  noted_end_ = durable_end_.load();
  reach_ = durable_end_ + kMinReachBytes;
  std::vector<MetadataEntry> entries;
  if (floor_ > state.number_floor) entries.push_back(MetadataEntry::NumberFloor(floor_));
  const uint64_t id = active_header_.segment;
  const bool noted =
      state.watermark && state.watermark->segment == id && state.watermark->end == durable_end_;
  // A damaged segment is not written again, and is noted too: zeros in it are damage from now on.
  const ScannedSegment& newest = region.segments.back();
  const bool has_groups = !newest.missing && !newest.header.version_1();
  if (has_groups && !region.clean_end() && !noted) {
    entries.push_back(MetadataEntry::Noted({id, durable_end_, walk_next_, reach_}));
  } else if (noted) {
    reach_ = state.watermark->reach;
  }
  if (entries.empty()) return absl::OkStatus();
  const absl::Status status = AppendMetadata(entries);
  if (!absl::IsResourceExhausted(status)) return status;
  // Without room for the note the log goes on with the earlier watermark.
  noted_end_ = 0;
  reach_ = 0;
  return absl::OkStatus();
}

// The time since the segment was last written, by the wall clock.
absl::Duration SegmentLog::AgeOf(int64_t written_unix_micros) const {
  const int64_t micros = env_.wall_clock->UnixMicros() - written_unix_micros;
  return absl::Microseconds(std::max<int64_t>(micros, 0));
}

absl::Status SegmentLog::Publish(RegionScan& region) {
  const MetadataState& state = metadata_->state();
  uint64_t bytes = 0;
  for (const ScannedSegment& segment : region.segments) bytes += segment.header.bytes;
  if (env_.quota != nullptr) env_.quota->SetUsed(bytes);
  walk_next_ = region.next;
  next_ = std::max({region.next, state.reserved_through + 1, state.number_floor});
  floor_ = state.number_floor;
  // Numbers below next_ may have been answered for records that a crash took.
  if (!region.clean_end() && next_ > region.next) floor_ = next_;
  // The time of a version 1 segment's last write is not known: the file may be a copy.
  int64_t written = 1000 * state.upgraded_millis.value_or(env_.wall_clock->UnixMillis());
  const absl::Duration now = env_.clock->Now();
  for (ScannedSegment& segment : region.segments) {
    SegmentScan& scan = segment.scan;
    scan.index.Seal();
    for (const auto& [table, last] : scan.table_last) published_->RestoreTable(table, last, 0);
    for (const Damage& damage : segment.damage) floor_ = std::max(floor_, damage.last + 1);
    if (!segment.header.version_1()) written = segment.written_unix_micros.value_or(written);
    published_->AddSegment({.file = MakeSegmentFile(segment.header),
                            .index = std::move(scan.index),
                            .end = scan.end,
                            .expected = segment.expected,
                            .expected_at_end = scan.next,
                            .first = scan.first,
                            .last = scan.last,
                            .records = scan.records,
                            .damage = std::move(segment.damage),
                            .written = now - AgeOf(written),
                            .written_unix_micros = written,
                            .append_times = std::move(scan.append_times)});
  }
  for (DamagedRange& lost : region.Lost(env_.directory)) {
    next_ = std::max(next_, lost.last + 1);
    published_->AddLost(std::move(lost));
  }
  next_ = std::max(next_, floor_);
  for (const TableId table : state.entry_tables) published_->SetEntryTable(table);
  for (const auto& [table, offset] : state.offsets) published_->SetOffset(table, offset);
  for (const auto& [table, through] : state.marks) {
    next_ = std::max(next_, through + 1);
    const absl::StatusOr<SequenceNumber> first_live = FirstLiveAbove(table, through);
    if (!first_live.ok()) return first_live.status();
    published_->RaiseMark(table, through, *first_live);
  }
  published_->SetRegionVersion(state.region_version);
  published_->SetNext(next_);
  published_->SetFloor(floor_);
  return absl::OkStatus();
}

}  // namespace walden::segment
