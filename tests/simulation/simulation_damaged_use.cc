// The use of a damaged region that is served, and the search for damage in an open region.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/wait.h"
#include "tests/simulation/simulation.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// The place of bytes that are stored once below the directory.
struct Place {
  std::string path;
  uint64_t offset = 0;
};
std::optional<Place> FindOnce(const FaultFileSystem& disk, const std::string& directory,
                              const std::string& bytes) {
  std::optional<Place> place;
  for (const std::string& path : disk.FilesBelow(directory)) {
    if (absl::StrContains(path, "/evidence/")) continue;
    const std::string content = disk.ReadWhole(path);
    const size_t at = content.find(bytes);
    if (at == std::string::npos) continue;
    if (place || content.find(bytes, at + 1) != std::string::npos) return std::nullopt;
    place = {path, at};
  }
  return place;
}

std::vector<DamagedRange> FindingsOf(
    absl::FunctionRef<absl::Status(absl::FunctionRef<bool(const VerifyProgress&)>)> verify,
    absl::Status* status) {
  std::vector<DamagedRange> findings;
  *status = verify([&](const VerifyProgress& progress) {
    findings.insert(findings.end(), progress.findings.begin(), progress.findings.end());
    return true;
  });
  return findings;
}

}  // namespace

absl::Status Simulation::LiveWithDamage(const Region& region, FaultFileSystem& disk,
                                        LogEngine& engine, std::unique_ptr<RegionLog> log,
                                        const RegionOptions& options) {
  DamagedRegion damaged(region.model);
  RETURN_IF_WRONG(damaged.Compare(*log, /*was_harmed=*/true));
  const std::vector<TableId> tables = damaged.Tables();
  for (uint64_t steps = tables.empty() ? 0 : random_.Between(1, 14); steps > 0; --steps) {
    const TableId table = tables[random_.Below(tables.size())];
    const uint64_t choice = random_.Below(12);
    bool was_harmed = false;
    if (choice < 9) {
      RETURN_IF_WRONG(UseDamaged(damaged, *log, table, choice));
    } else {
      const bool closes = choice < 11;
      Note(closes ? "  close and open" : "  open as after a kill");
      if (closes) RETURN_IF_WRONG(CloseAndWait(*log));
      log.reset();
      std::optional<Harm> harm;
      // Of a closed log everything was durable: no harm may pass for a torn tail.
      if (closes && random_.Percent(40)) {
        harm = random_.Percent(30) ? MakeAHole(region, disk) : FlipABit(region, disk);
      }
      was_harmed = harm.has_value();
      auto opened = OpenRegionAndWait(engine, region.id, options, /*create=*/false);
      if (harm && absl::IsDataLoss(opened.status()) && NameOf(harm->path) == "metadata") {
        return absl::OkStatus();
      }
      if (!opened.ok()) return WithContext(opened.status(), "a quarantined region reopened");
      log = *std::move(opened);
      if (closes && log->Describe().opening.torn_tail_bytes > 0) {
        return Wrong("a torn tail in a damaged log that was closed");
      }
    }
    RETURN_IF_WRONG(damaged.Compare(*log, was_harmed));
  }
  return absl::OkStatus();
}

absl::Status Simulation::UseDamaged(DamagedRegion& damaged, RegionLog& log, TableId table,
                                    uint64_t choice) {
  if (choice < 3) {
    Note(absl::StrCat("  append to table ", table));
    return damaged.Append(log, table, random_.NonZeroBytes(random_.Between(1, 1500)));
  }
  if (choice < 4) {
    Note("  mark every table whose records are all there");
    return damaged.MarkSoundTables(log);
  }
  if (choice < 6) {
    const SequenceNumber highest = damaged.Highest(table);
    const SequenceNumber through = random_.Percent(60) ? highest : random_.Between(1, highest);
    Note(absl::StrCat("  mark table ", table, " through ", through));
    return damaged.Mark(log, table, through);
  }
  if (choice < 7) {
    const int64_t micros = RandomTime(regions_[0]);
    if (random_.Percent(50)) {
      Note(absl::StrCat("  retain what is not older than ", micros));
      return damaged.Retain(log, micros);
    }
    Note(absl::StrCat("  mark table ", table, " before ", micros));
    return damaged.MarkBefore(log, table, micros);
  }
  if (choice < 8) return damaged.FindLast(log, table, random_.Between(1, 20));
  Note("  verify");
  return damaged.Verify(log);
}

absl::Status Simulation::VerifyHarmed(const Region& region) {
  const auto copy = disk_.CopyOfDisk(random_.Next());
  std::vector<StoredRecord> records;
  for (const TableId table : region.model.Tables()) {
    for (StoredRecord& record : region.model.Live(table)) {
      if (record.payload.size() >= 16) records.push_back(std::move(record));
    }
  }
  if (records.empty()) return absl::OkStatus();
  const StoredRecord& record = records[random_.Below(records.size())];
  auto engine = OpenOnCopy(*copy, region.home->name);
  if (!engine.ok()) return engine.status();
  auto log = OpenRegionAndWait(**engine, region.id, region.options, /*create=*/false);
  if (!log.ok()) return log.status();
  const bool is_closed = random_.Percent(50);
  if (is_closed) {
    RETURN_IF_WRONG(CloseAndWait(**log));
    log->reset();
  }
  const auto place = FindOnce(*copy, absl::StrCat("/data/", region.name()), record.payload);
  if (!place) return absl::OkStatus();
  const uint64_t at = place->offset + random_.Below(record.payload.size());
  Note(absl::StrCat("flip a bit of byte ", at, " of ", place->path, ", record ", record.sequence,
                    " of table ", record.table, ", and verify"));
  if (random_.Percent(50)) {
    copy->FlipBit(place->path, at, 3);
  } else {
    copy->FlipBitUnderCache(place->path, at, 3);
  }
  absl::Status status;
  const auto findings = FindingsOf(
      [&](auto report) {
        return is_closed ? (*engine)->VerifyClosedRegion(region.id, report)
                         : (*log)->Verify(report);
      },
      &status);
  if (!status.ok()) return WithContext(status, "verifying a damaged record");
  bool is_named = false;
  for (const DamagedRange& range : findings) {
    if (NameOf(range.file) != NameOf(place->path)) return Wrong("verify names ", range.file);
    is_named |= range.offset <= at && at < range.offset + range.length &&
                range.first <= record.sequence && record.sequence <= range.last;
  }
  return is_named ? absl::OkStatus() : Wrong("verify does not name the damaged record");
}

}  // namespace walden::testing
