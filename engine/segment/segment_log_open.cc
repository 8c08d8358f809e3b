// Opening a region: scan, decide, repair.
#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "engine/io/zeros.h"
#include "engine/segment/format.h"
#include "engine/segment/record_parser.h"
#include "engine/segment/segment_log.h"
#include "engine/segment/segment_reader.h"

namespace walden::segment {
namespace {

constexpr absl::string_view kEvidenceDirectory = "evidence";
constexpr uint64_t kStepBytes = 1 << 20;

absl::Status CopyBytes(const File& from, uint64_t begin, uint64_t end, File& to) {
  std::string step;
  for (uint64_t at = begin; at < end;) {
    step.resize(std::min(kStepBytes, end - at));
    const absl::StatusOr<size_t> got = from.Read(at, absl::MakeSpan(step.data(), step.size()));
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    const absl::Status status = to.Write(at - begin, {absl::string_view(step).substr(0, *got)});
    if (!status.ok()) return status;
    at += *got;
  }
  return to.SyncData();
}

// Whether `bytes` are whole records from front to back.
bool AllRecords(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ParseResult parsed = ParseRecord(bytes, bytes.size());
    if (parsed.outcome != ParseOutcome::kRecord) return false;
    bytes.remove_prefix(parsed.record.encoded_bytes);
  }
  return true;
}

// Makes the records in [begin, end) durable, whatever became of the sync that they were written
// for. After a failed fsync the kernel takes their pages for clean, and another fsync would write
// nothing; so they are written again, from bytes that were checked.
absl::Status WriteAgain(File& file, uint64_t begin, uint64_t end) {
  std::string bytes(end - begin, '\0');
  const absl::StatusOr<size_t> got = file.Read(begin, absl::MakeSpan(bytes.data(), bytes.size()));
  if (!got.ok()) return got.status();
  if (*got != bytes.size() || !AllRecords(bytes)) {
    return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                     absl::StrCat(file.path(), " changed between bytes ", begin, " and ", end,
                                  " while it was being opened; open the region again"),
                     {{"file", file.path()}});
  }
  const absl::Status status = file.Write(begin, {bytes});
  return status.ok() ? file.SyncData() : status;
}

}  // namespace

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
  report.damaged = region.Damaged(env_.directory);
  report.records_scanned = region.records;
  report.bytes_scanned = region.bytes;
  if (region.damaged()) {
    if (env_.options.recovery_policy == RecoveryPolicy::kRefuse) {
      return WithContext(DamageError(report.damaged.front()),
                         absl::StrCat("region ", env_.directory.shown_path,
                                      " is refused (recovery_policy: refuse), ",
                                      report.damaged.size(), " damaged ranges, the first"));
    }
    report.outcome = OpeningReport::Outcome::kQuarantined;
  }
  auto metadata = MetadataFile::Open(env_.file_system, env_.directory.path, region.metadata);
  if (!metadata.ok()) return metadata.status();
  metadata_ = *std::move(metadata);
  absl::Status status = RemoveLeftovers(region);
  if (status.ok()) status = Quarantine(region);
  if (status.ok()) status = OpenNewest(region.segments.back(), region.clean_end(), report);
  if (!status.ok()) return status;
  RestoreProducers(region);
  status = Publish(region);
  if (!status.ok()) return status;
  report.duration_micros =
      static_cast<uint64_t>(absl::ToInt64Microseconds(env_.clock->Now() - start));
  published_->SetOpening(std::move(report));
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
  std::vector<MetadataEntry> entries;
  for (const ScannedSegment& segment : region.segments) {
    for (const Damage& damage : segment.scan.damage) {
      entries.push_back({EntryType::kQuarantined,
                         {segment.id, damage.begin, damage.end, damage.first, damage.last}});
    }
  }
  return entries.empty() ? absl::OkStatus() : AppendMetadata(entries);
}

absl::Status SegmentLog::OpenNewest(ScannedSegment& newest, bool clean_end, OpeningReport& report) {
  active_id_ = newest.id;
  active_bytes_ = newest.bytes;
  if (newest.missing) return absl::OkStatus();  // a new segment is due
  auto file = env_.file_system->OpenFile(SegmentPath(newest.id), FileSystem::OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  active_ = *std::move(file);
  if (newest.short_file) {
    const absl::Status status = active_->Allocate(newest.bytes);
    if (!status.ok()) return status;
  }
  if (!clean_end) {
    // What a killed process wrote may be in memory only; nobody reads it before it is durable.
    uint64_t durable = std::max<uint64_t>(newest.scan.last_barrier, kMagicBytes);
    for (const Damage& damage : newest.damage) durable = std::max(durable, damage.end);
    if (durable < newest.scan.end) {
      const absl::Status status = WriteAgain(*active_, durable, newest.scan.end);
      if (!status.ok()) return status;
    }
  }
  if (newest.scan.torn) {
    const absl::Status status = CutTornTail(newest, report);
    if (!status.ok()) return status;
  }
  active_end_ = newest.scan.end;
  return absl::OkStatus();
}

absl::Status SegmentLog::CutTornTail(ScannedSegment& newest, OpeningReport& report) {
  const TornTail& torn = *newest.scan.torn;
  if (report.outcome == OpeningReport::Outcome::kClean) {
    report.outcome = OpeningReport::Outcome::kTornTail;
  }
  report.torn_tail_bytes = torn.end - torn.begin;
  const auto evidence = SaveEvidence(*active_, newest.id, torn);
  if (evidence.ok()) {
    report.evidence_file = *evidence;
  } else if (!absl::IsResourceExhausted(evidence.status())) {
    return evidence.status();
  }  // A full disk: the report says that bytes were cut and names no file.
  const absl::Status zeroed = WriteZeros(*active_, torn.begin, torn.end);
  return zeroed.ok() ? active_->SyncData() : zeroed;
}

absl::StatusOr<std::string> SegmentLog::SaveEvidence(const File& file, uint64_t segment,
                                                     const TornTail& torn) {
  const std::string directory = absl::StrCat(env_.directory.path, "/", kEvidenceDirectory);
  absl::Status status = env_.file_system->CreateDirectory(directory);
  if (!status.ok()) return status;
  std::string name;
  absl::StatusOr<std::unique_ptr<File>> copy = absl::AlreadyExistsError("");
  for (int attempt = 0; absl::IsAlreadyExists(copy.status()); ++attempt) {
    name = absl::StrCat("torn_", SegmentFileName(segment), "_at_", torn.begin, "_", attempt);
    copy = env_.file_system->CreateFile(absl::StrCat(directory, "/", name));
  }
  if (!copy.ok()) return copy.status();
  status = CopyBytes(file, torn.begin, torn.end, **copy);
  if (status.ok()) status = env_.file_system->SyncDirectory(directory);
  if (status.ok()) status = env_.file_system->SyncDirectory(env_.directory.path);
  if (!status.ok()) return status;
  return absl::StrCat(env_.directory.shown_path, "/", kEvidenceDirectory, "/", name);
}

// How long ago the segment was last written, by the clock on the wall; 0 if nobody knows.
absl::Duration SegmentLog::AgeOf(const ScannedSegment& segment) const {
  if (!segment.written_unix_millis) return absl::ZeroDuration();
  const int64_t millis = env_.wall_clock->UnixMillis() - *segment.written_unix_millis;
  return absl::Milliseconds(std::max<int64_t>(millis, 0));
}

void SegmentLog::RestoreProducers(const RegionScan& region) {
  // In order of producer sequence, whether the metadata or the log remembers.
  std::vector<ProducerTable::Batch> batches = region.metadata.state.producers;
  for (const ScannedSegment& segment : region.segments) {
    for (const ScannedProducer& p : segment.scan.producers) {
      batches.push_back({p.id, p.table, p.sequence, p.first, p.last});
    }
  }
  std::stable_sort(batches.begin(), batches.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.sequence) < std::pair(b.first, b.sequence);
  });
  for (const ProducerTable::Batch& batch : batches) producers_.Add(batch);
}

absl::Status SegmentLog::Publish(RegionScan& region) {
  const MetadataState& state = metadata_->state();
  uint64_t bytes = 0;
  for (const ScannedSegment& segment : region.segments) bytes += segment.bytes;
  if (env_.quota != nullptr) env_.quota->SetUsed(bytes);
  walk_next_ = region.next;
  next_ = std::max(region.next, state.reserved_through + 1);
  const absl::Duration now = env_.clock->Now();
  for (ScannedSegment& segment : region.segments) {
    SegmentScan& scan = segment.scan;
    scan.index.Seal();
    for (const auto& [table, last] : scan.table_last) published_->RestoreTable(table, last, 0);
    for (const Damage& damage : segment.damage) next_ = std::max(next_, damage.last + 1);
    published_->AddSegment({.file = MakeSegmentFile(segment.id, segment.bytes),
                            .index = std::move(scan.index),
                            .end = scan.end,
                            .expected = segment.expected,
                            .expected_at_end = scan.next,
                            .first = scan.first,
                            .last = scan.last,
                            .records = scan.records,
                            .damage = std::move(segment.damage),
                            .written = now - AgeOf(segment)});
  }
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
  return absl::OkStatus();
}

}  // namespace walden::segment
