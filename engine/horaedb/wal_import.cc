#include "engine/horaedb/wal_import.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "engine/horaedb/wal_format.h"
#include "engine/horaedb/wal_reader.h"
#include "engine/transfer/restore_writer.h"
#include "engine/transfer/table_reader.h"

namespace walden::horaedb {
namespace {

constexpr uint64_t kReportBytes = 1 << 20;

struct Segments {
  std::map<uint64_t, std::string> names;  // by id
  std::vector<std::string> ignored;
};

absl::StatusOr<Segments> FindSegments(FileSystem* files, const std::string& directory) {
  const auto names = files->ListDirectory(directory);
  if (!names.ok()) return names.status();
  Segments segments;
  for (const std::string& name : *names) {
    absl::string_view digits = name;
    uint64_t id = 0;
    const bool is_segment = absl::ConsumePrefix(&digits, kSegmentPrefix) &&
                            absl::SimpleAtoi(digits, &id) && absl::StrCat(id) == digits;
    if (is_segment) {
      segments.names[id] = name;
    } else {
      segments.ignored.push_back(name);
    }
  }
  if (!segments.names.empty()) return segments;
  return MakeError(absl::StatusCode::kNotFound, ErrorReason::kNotFound,
                   absl::StrCat(directory, " has no file named ", kSegmentPrefix,
                                "<id>: it is no region of HoraeDB's local log"),
                   {{"directory", directory}});
}

using VisitRecord = absl::FunctionRef<absl::Status(const WalItem&)>;

// Walks all segments of a region in the order of their ids.
class RegionWalk {
 public:
  RegionWalk(FileSystem* files, const std::string& directory, const std::string& shown_directory,
             const Segments& segments)
      : files_(files), directory_(directory), shown_(shown_directory), segments_(segments) {}

  // `report` gets the bytes walked since the last call; false stops.
  absl::Status Run(VisitRecord visit, absl::FunctionRef<bool(uint64_t bytes)> report) {
    for (auto it = segments_.names.begin(); it != segments_.names.end(); ++it) {
      const absl::Status status = WalkSegment(it, visit, report);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  std::vector<DamagedRange> TakeDamaged() { return std::move(damaged_); }
  uint64_t leftovers() const { return leftovers_; }
  uint64_t behind_damage() const { return behind_damage_; }
  uint64_t superseded() const { return superseded_; }

 private:
  using Segment = std::map<uint64_t, std::string>::const_iterator;

  // Finds the lowest number above `base` that a newer segment begins with: HoraeDB ends a segment
  // at damage, and gives the numbers after the last record before the damage out again.
  absl::StatusOr<SequenceNumber> FirstInNewer(Segment segment, SequenceNumber base) {
    SequenceNumber lowest = kMaxSequenceNumber;
    for (++segment; segment != segments_.names.end(); ++segment) {
      auto reader = WalReader::Open(files_, absl::StrCat(directory_, "/", segment->second));
      if (!reader.ok()) return reader.status();
      while (true) {
        const auto item = (*reader)->Next();
        if (!item.ok()) return item.status();
        if (item->kind == WalItem::Kind::kEnd) break;
        if (item->kind == WalItem::Kind::kDamage || item->sequence <= base) continue;
        lowest = std::min(lowest, item->sequence);
        break;
      }
    }
    return lowest;
  }

  absl::Status WalkSegment(Segment segment, VisitRecord visit,
                           absl::FunctionRef<bool(uint64_t bytes)> report) {
    const std::string& name = segment->second;
    // After damage: the lowest number that a newer segment may have too.
    std::optional<SequenceNumber> first_in_newer;
    auto reader = WalReader::Open(files_, absl::StrCat(directory_, "/", name));
    if (!reader.ok()) return reader.status();
    uint64_t reported = 0;
    while (true) {
      const auto item = (*reader)->Next();
      if (!item.ok()) return item.status();
      if (item->kind == WalItem::Kind::kEnd) break;
      if (item->kind == WalItem::Kind::kDamage) {
        AddDamage(name, *item);
        if (!first_in_newer) {
          const auto first = FirstInNewer(segment, last_);
          if (!first.ok()) return first.status();
          first_in_newer = *first;
        }
      } else if (item->sequence <= last_) {
        ++leftovers_;
      } else if (first_in_newer && item->sequence >= *first_in_newer) {
        ++superseded_;
      } else {
        if (first_in_newer) ++behind_damage_;
        BoundDamage(item->sequence);
        last_ = item->sequence;
        const absl::Status status = visit(*item);
        if (!status.ok()) return status;
      }
      const uint64_t at = item->offset + item->length;
      if (at - reported < kReportBytes) continue;
      if (!report(at - reported)) return absl::CancelledError("stopped by the caller");
      reported = at;
    }
    return report((*reader)->file_bytes() - reported)
               ? absl::OkStatus()
               : absl::CancelledError("stopped by the caller");
  }

  void AddDamage(const std::string& name, const WalItem& item) {
    damaged_.push_back({.file = absl::StrCat(shown_, "/", name),
                        .offset = item.offset,
                        .length = item.length,
                        .first = last_ + 1,
                        .last = kMaxSequenceNumber,
                        .reason = item.reason});
  }

  // Damage in front of a record held numbers below the record's.
  void BoundDamage(SequenceNumber next) {
    for (; bounded_ < damaged_.size(); ++bounded_) {
      DamagedRange& damage = damaged_[bounded_];
      const bool some_are_missing = damage.first < next;
      damage.last = some_are_missing ? next - 1 : 0;
      if (!some_are_missing) damage.first = 0;
    }
  }

  FileSystem* const files_;
  const std::string& directory_;
  const std::string& shown_;
  const Segments& segments_;
  SequenceNumber last_ = 0;
  std::vector<DamagedRange> damaged_;
  size_t bounded_ = 0;  // of damaged_: those whose numbers are known
  uint64_t leftovers_ = 0;
  uint64_t behind_damage_ = 0;
  uint64_t superseded_ = 0;
};

using Digests = std::map<TableId, TableDigest>;

class WalImport {
 public:
  WalImport(FileSystem* files, const std::string& directory, const std::string& shown_directory,
            RegionLog& target, absl::FunctionRef<bool(const WalImportProgress&)> progress)
      : files_(files),
        directory_(directory),
        shown_(shown_directory),
        target_(target),
        progress_(progress) {}

  absl::StatusOr<WalImportResult> Run() {
    auto segments = FindSegments(files_, directory_);
    if (!segments.ok()) return segments.status();
    segments_ = *std::move(segments);
    for (const TableState& table : target_.Describe().tables) {
      there_[table.table] = target_.Position(table.table).last + 1;
    }
    absl::Status status = there_.empty() ? absl::OkStatus() : CheckBeginning();
    if (status.ok()) status = Import();
    if (!status.ok()) return status;
    result_.segments = segments_.names.size();
    result_.tables = digests_.size();
    result_.ignored = std::move(segments_.ignored);
    for (const auto& [table, digest] : digests_) {
      result_.records += digest.records;
      result_.bytes += digest.bytes;
      status = Compare(table, digest, absl::StatusCode::kInternal);
      if (!status.ok()) return status;
    }
    return std::move(result_);
  }

 private:
  SequenceNumber NextThere(TableId table) const {
    const auto found = there_.find(table);
    return found == there_.end() ? 1 : found->second;
  }

  // Checks that the records in the target are the beginning of this log. Other records were not
  // imported from it, and their numbers would be passed over.
  absl::Status CheckBeginning() {
    Digests begun;
    for (const auto& [table, next] : there_) begun[table] = {};
    RegionWalk walk(files_, directory_, shown_, segments_);
    absl::Status status = walk.Run(
        [&](const WalItem& item) {
          if (item.sequence < NextThere(item.table))
            begun[item.table].Add(item.sequence, item.payload);
          return absl::OkStatus();
        },
        [&](uint64_t) { return progress_(seen_); });
    for (const auto& [table, digest] : begun) {
      if (status.ok()) status = Compare(table, digest, absl::StatusCode::kFailedPrecondition);
    }
    return status;
  }

  absl::Status Import() {
    RestoreWriter writer(target_);
    RegionWalk walk(files_, directory_, shown_, segments_);
    absl::Status status = walk.Run(
        [&](const WalItem& item) {
          digests_[item.table].Add(item.sequence, item.payload);
          if (item.sequence < NextThere(item.table)) return absl::OkStatus();
          ++result_.imported_records;
          ++seen_.records;
          return writer.Add(item.table, TableKind::kLog, item.sequence, item.payload);
        },
        [&](uint64_t bytes) {
          seen_.bytes += bytes;
          return progress_(seen_);
        });
    if (status.ok()) status = writer.Flush();
    result_.damaged = walk.TakeDamaged();
    result_.leftover_records = walk.leftovers();
    result_.records_behind_damage = walk.behind_damage();
    result_.superseded_records = walk.superseded();
    return status;
  }

  absl::Status Compare(TableId table, const TableDigest& source, absl::StatusCode otherwise) {
    TableDigest there;
    TableReader walker(target_, table, 1, /*skip_damaged=*/false);
    for (bool more = true; more;) {
      const auto step = walker.Next(
          [&](const RecordView& record) { there.Add(record.sequence, record.payload); });
      if (!step.ok()) return step.status();
      more = *step;
    }
    if (there == source) return absl::OkStatus();
    const bool before = otherwise == absl::StatusCode::kFailedPrecondition;
    return MakeError(otherwise, ErrorReason::kRestoreOutOfOrder,
                     absl::StrCat("table ", table,
                                  before ? " already holds records that are not the beginning of "
                                         : " does not hold the records that were imported from ",
                                  shown_, ": it has ", there.Shown(), "; the source has ",
                                  source.Shown(), before ? ". Import into an empty namespace" : ""),
                     {{"field", "table_id"}, {"value", absl::StrCat(table)}});
  }

  FileSystem* const files_;
  const std::string& directory_;
  const std::string& shown_;
  RegionLog& target_;
  absl::FunctionRef<bool(const WalImportProgress&)> progress_;
  Segments segments_;
  std::map<TableId, SequenceNumber> there_;  // next number of each table, before the import
  Digests digests_;                          // of the whole source
  WalImportProgress seen_;
  WalImportResult result_;
};

}  // namespace

absl::StatusOr<uint64_t> WalBytes(FileSystem* files, const std::string& directory) {
  const auto segments = FindSegments(files, directory);
  if (!segments.ok()) return segments.status();
  uint64_t bytes = 0;
  for (const auto& [id, name] : segments->names) {
    const auto reader = WalReader::Open(files, absl::StrCat(directory, "/", name));
    if (!reader.ok()) return reader.status();
    bytes += (*reader)->file_bytes();
  }
  return bytes;
}

absl::StatusOr<WalImportResult> ImportWal(
    FileSystem* files, const std::string& directory, const std::string& shown_directory,
    RegionLog& target, absl::FunctionRef<bool(const WalImportProgress&)> progress) {
  return WalImport(files, directory, shown_directory, target, progress).Run();
}

}  // namespace walden::horaedb
