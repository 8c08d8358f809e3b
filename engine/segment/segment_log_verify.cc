// Verifies an open region: reads it from the medium while its writer goes on.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/segment/segment_log.h"

namespace walden::segment {
namespace {

constexpr FileSystem::OpenMode kMedium = FileSystem::OpenMode::kReadFromMedium;

// A finding that covers all of a segment's file.
DamagedRange Unusable(const PublishedLog::SegmentExtent& segment, absl::string_view reason) {
  return ShownDamage(*segment.file, {0, segment.file->size(), segment.expected,
                                     segment.expected_at_end - 1, std::string(reason)});
}

}  // namespace

std::optional<std::string> SegmentLog::WhatMetadataLacks(const MetadataState& stored) const {
  // The metadata is written before readers learn of a change. So it must hold everything that the
  // published log holds now.
  for (const PublishedLog::SegmentExtent& segment : published_->Segments()) {
    const uint64_t id = segment.file->id();
    if (!stored.segments.contains(id) && published_->Lists(id)) {
      return absl::StrCat("it does not name segment ", id);
    }
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<DamagedRange>> SegmentLog::VerifyMetadata() const {
  const std::string shown = absl::StrCat(env_.directory.shown_path, "/", kMetadataFileName);
  const std::string path = absl::StrCat(env_.directory.path, "/", kMetadataFileName);
  const absl::flat_hash_map<TableId, SequenceNumber> marks = published_->Marks();
  std::optional<DamagedRange> finding;
  // The writer may be writing an entry or replacing the file. Only damage that stays is reported.
  constexpr int kLooks = 3;
  for (int look = 0; look < kLooks; ++look) {
    finding = DamagedRange{.file = shown};
    const auto file = env_.file_system->OpenFile(path, kMedium);
    if (absl::IsNotFound(file.status())) {
      finding->reason = "the file is missing";
      continue;
    }
    const absl::StatusOr<LoadedMetadata> loaded =
        file.ok() ? LoadMetadata(**file, shown) : absl::StatusOr<LoadedMetadata>(file.status());
    if (absl::IsDataLoss(loaded.status())) {
      finding->reason = std::string(loaded.status().message());
      const auto info = GetErrorInfo(loaded.status());
      if (info && info->metadata.contains("offset")) {
        (void)absl::SimpleAtoi(info->metadata.at("offset"), &finding->offset);
      }
      continue;
    }
    if (!loaded.ok()) return loaded.status();
    std::optional<std::string> lacks = WhatMetadataLacks(loaded->state);
    for (const auto& [table, through] : marks) {
      const auto mark = loaded->state.marks.find(table);
      if (mark != loaded->state.marks.end() && mark->second >= through) continue;
      lacks = absl::StrCat("it lacks that table ", table, " is deleted through ", through);
    }
    if (!lacks) return std::nullopt;
    finding->offset = loaded->end;
    finding->reason = *lacks;
  }
  return finding;
}

absl::Status SegmentLog::Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const {
  VerifyProgress progress;
  auto metadata = VerifyMetadata();
  if (!metadata.ok()) return metadata.status();
  if (metadata->has_value()) progress.findings.push_back(**std::move(metadata));
  const auto segments = published_->Segments();
  for (const auto& segment : segments) progress.bytes_total += segment.end;
  for (const auto& segment : segments) {
    auto file = env_.file_system->OpenFile(segment.file->path(), kMedium);
    if (!file.ok() && !published_->Lists(segment.file->id())) continue;  // deleted meanwhile
    if (absl::IsNotFound(file.status())) {
      progress.findings.push_back(Unusable(segment, "the file is missing"));
      continue;
    }
    if (absl::IsDataLoss(file.status())) {
      progress.findings.push_back(Unusable(segment, file.status().message()));
      continue;
    }
    if (!file.ok()) return file.status();
    const uint64_t before = progress.bytes_checked;
    const auto on_progress = [&](uint64_t offset) {
      progress.bytes_checked = before + std::min(offset, segment.end);
      const bool go_on = report(progress);
      progress.findings.clear();
      return go_on;
    };
    const auto scan =
        ScanSegment(**file, {.header = segment.file->header(),
                             .expected = segment.expected,
                             .known_end = KnownEnd{segment.end, segment.expected_at_end},
                             .known_damage = segment.damage,
                             .progress = on_progress});
    if (absl::IsCancelled(scan.status())) return absl::OkStatus();  // `report` stopped it
    if (!scan.ok()) return scan.status();
    for (const Damage& damage : segment.damage) {
      progress.findings.push_back(ShownDamage(*segment.file, damage));
    }
    for (const Damage& damage : scan->damage) {
      progress.findings.push_back(ShownDamage(*segment.file, damage));
    }
    progress.bytes_checked = before + segment.end;
    progress.records_checked += scan->records;
  }
  report(progress);
  return absl::OkStatus();
}

}  // namespace walden::segment
