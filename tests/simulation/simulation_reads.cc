// The reads of a simulation, and its looks at everything that is stored.
#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/simulation/find_last_records.h"
#include "tests/simulation/simulation.h"

namespace walden::testing {

absl::Status Simulation::Read(Region& region) {
  if (random_.Percent(30)) {
    Note(absl::StrCat("region ", region.name(), " compare"));
    return region.model.CompareOpen(region.log());
  }
  ReadRange range;
  range.table = random_.Between(1, region.tables);
  if (random_.Percent(40)) return SeekByTime(region, *range.table);
  if (random_.Percent(30)) return ReadLast(region, *range.table);
  if (random_.Percent(20)) return TakeCut(region);
  const SequenceNumber next = region.model.Next(*range.table);
  if (random_.Percent(60)) range.first = random_.Between(1, next + 1);
  if (random_.Percent(40)) range.last = range.first + random_.Below(20);
  ReadLimits limits;
  if (random_.Percent(40)) limits.max_records = random_.Between(1, 5);
  if (random_.Percent(40)) limits.max_payload_bytes = random_.Between(1, 2000);
  Note(absl::StrCat("region ", region.name(), " table ", *range.table, " read ", range.first, "..",
                    range.last));
  return region.model.CompareRange(region.log(), range, limits);
}

// Copies the states of all tables in two parts. The log goes on between them.
absl::Status Simulation::TakeCut(Region& region) {
  const std::vector<TableState> before = region.log().Describe().tables;
  const auto cut = region.log().CutTables();
  std::vector<TableState> states = cut->Next(random_.Below(before.size() + 1));
  Note(absl::StrCat("region ", region.name(), " cut of ", before.size(), " tables, ", states.size(),
                    " first"));
  absl::Status status = random_.Percent(50) ? Append(region) : Mark(region);
  if (!status.ok()) return status;
  for (TableState& state : cut->Next(SIZE_MAX)) states.push_back(std::move(state));
  const auto is_same = [](const TableState& a, const TableState& b) {
    return a.table == b.table && a.deleted_through == b.deleted_through &&
           a.first_live == b.first_live && a.last_live == b.last_live && a.kind == b.kind;
  };
  if (std::equal(before.begin(), before.end(), states.begin(), states.end(), is_same)) {
    return absl::OkStatus();
  }
  return absl::InternalError("the cut is not of one moment");
}

// Finds where the last records of a table begin. Records may be deleted while it looks.
absl::Status Simulation::ReadLast(Region& region, TableId table) {
  const uint64_t count = random_.Between(1, region.model.Live(table).size() + 2);
  const bool delete_some = random_.Percent(30);
  absl::Status marked;
  const auto first = FindLastRecords(region.log(), table, count, [&] {
    if (delete_some && marked.ok() && !disk_.crashed() && random_.Percent(50)) {
      const std::vector<StoredRecord> live = region.model.Live(table);
      const SequenceNumber through = live.empty() ? 1 : live[random_.Below(live.size())].sequence;
      marked = MarkAll(region, {{table, through}}, std::nullopt);
    }
    return marked;
  });
  Note(absl::StrCat("region ", region.name(), " table ", table, " last ", count, " -> ",
                    first.ok() ? absl::StrCat(*first) : ShowStatus(first.status())));
  if (!marked.ok() || disk_.crashed()) return marked;
  if (!first.ok()) return first.status();
  if (!delete_some) return region.model.CheckLast(region.log(), table, count, *first);
  return region.model.CheckCountFrom(table, count, *first);
}

absl::Status Simulation::ReadWithErrors(Region& region) {
  Note(absl::StrCat("region ", region.name(), " read with errors"));
  const uint64_t before = disk_.faults_hit();
  disk_.FailNth(random_.Between(1, 4), file_op::kRead | file_op::kMap | file_op::kOpen, EIO);
  ReadRange range;
  range.table = random_.Between(1, region.tables);
  const auto records = ReadAll(region.log(), range);
  const uint64_t hit = disk_.faults_hit() - before;
  disk_.ClearFaults();
  for (Region& each : regions_)
    each.faults_before += hit;  // an error in reading excuses nothing else
  if (!records.ok()) {
    if (hit > 0 && HasReason(records.status(), ErrorReason::kIoError)) return absl::OkStatus();
    return records.status();
  }
  if (*records != region.model.Live(*range.table)) {
    return absl::InternalError("a read beside I/O errors returned something else");
  }
  return absl::OkStatus();
}

// The segment engine opens one file after the other, and between two of them the log goes on.
// RocksDB has threads of its own anyway: there the region is verified by another thread.
absl::Status Simulation::VerifyBesideAppends(Region& region,
                                             const std::function<absl::Status()>& verify,
                                             absl::Status* written) {
  const auto write = [&] {
    if (!written->ok() || disk_.crashed()) return;
    *written = random_.Percent(60) ? Append(region) : Mark(region);
    if (random_.Percent(background_percent_)) background_.RunOne();
  };
  if (kind_ == SimulatedEngine::kSegment) {
    disk_.SetMediumObserver(write);
    const absl::Status status = verify();
    disk_.SetMediumObserver(nullptr);
    return status;
  }
  absl::Status status;
  std::thread verifying([&] { status = verify(); });
  for (uint64_t i = random_.Between(1, 4); i > 0; --i) write();
  verifying.join();
  return status;
}

absl::Status Simulation::Verify(Region& region) {
  Note(absl::StrCat("region ", region.name(), " verify"));
  std::string found;
  const auto verify = [&] {
    return region.log().Verify([&](const VerifyProgress& progress) {
      for (const DamagedRange& range : progress.findings) {
        found = absl::StrCat(range.file, " at ", range.offset, ": ", range.reason);
      }
      return true;
    });
  };
  absl::Status written;
  const bool beside_appends = random_.Percent(60);
  const absl::Status status =
      beside_appends ? VerifyBesideAppends(region, verify, &written) : verify();
  if (!written.ok() || disk_.crashed()) return written;
  if (TroubleOf(region).failed) return absl::OkStatus();  // a failed write may have left anything
  if (!found.empty()) return absl::InternalError("verify found damage that nobody made: " + found);
  return status;
}

}  // namespace walden::testing
