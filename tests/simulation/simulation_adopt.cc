// The end of a simulation of RocksDB: the write-ahead log loses its end on copies of the disk. The
// engine refuses what lost durable bytes, until the loss is accepted. Then everything that is left
// must be what was appended, each batch whole.
#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/rocksdb/directory/adopt.h"
#include "engine/wait.h"
#include "rocksdb/env.h"
#include "tests/simulation/simulation.h"
#include "tests/simulation/wrong.h"
#include "tests/support/rocksdb_env_on_file_system.h"
#include "tests/support/rocksdb_on_files.h"

namespace walden::testing {
namespace {

std::string DirectoryOfSpace(const std::string& name) { return absl::StrCat("/data/", name); }

}  // namespace

absl::Status Simulation::AdoptCopies() {
  Region& region = regions_[0];
  if (region.writer == nullptr) {
    if (absl::Status status = CreateOrOpen(region); !status.ok() || disk_.crashed()) return status;
  }
  disk_.CancelCrash();
  for (int i = 0; i < 3; ++i) {
    absl::Status status = Append(region);
    if (!status.ok() || disk_.crashed() || !region.log().Health().ok()) return status;
  }
  Note("kill, then the log loses its end");
  disk_.Kill();
  StopProcess();
  disk_.Restart();
  for (int i = 0; i < 2; ++i) RETURN_IF_WRONG(AdoptOneCopy(*region.home));
  return absl::OkStatus();
}

absl::Status Simulation::AdoptOneCopy(const Namespace& space) {
  const auto copy = disk_.CopyOfDisk(random_.Next());
  std::vector<std::string> logs;
  for (const std::string& path : copy->FilesBelow(DirectoryOfSpace(space.name))) {
    const bool is_log = absl::EndsWith(path, ".log") && !absl::StrContains(path, "/evidence/");
    if (is_log && !copy->ReadWhole(path).empty()) logs.push_back(path);
  }
  if (logs.empty()) return absl::OkStatus();
  const std::string& path = logs.back();
  const uint64_t size = copy->ReadWhole(path).size();
  const uint64_t cut = random_.Percent(30) ? size : random_.Between(1, size);
  Note(absl::StrCat(path, " loses ", cut, " of ", size, " bytes"));
  copy->ShrinkSize(path, cut);
  const absl::Status status = OpenAdopted(space, *copy);
  Note(absl::StrCat("  -> ", ShowStatus(status)));
  // Writes that were not durable may be gone without a word.
  if (!absl::IsDataLoss(status)) return status;

  const auto env = MakeRocksdbEnv(copy.get());
  const std::string directory = DirectoryOfSpace(space.name);
  const auto refused = rocks::AdoptDirectory(copy.get(), env.get(), directory, {});
  if (!absl::IsDataLoss(refused.status())) {
    return Wrong("adopted without the loss being accepted: ", ShowStatus(refused.status()));
  }
  const auto adopted =
      rocks::AdoptDirectory(copy.get(), env.get(), directory, {.accept_loss = true});
  Note(absl::StrCat("  adopt and accept the loss -> ", ShowStatus(adopted.status())));
  if (absl::IsDataLoss(adopted.status())) return absl::OkStatus();  // RocksDB itself refuses it
  if (!adopted.ok()) return adopted.status();
  if (adopted->lost.empty()) return Wrong("an accepted loss is not named");
  return OpenAdopted(space, *copy);
}

absl::Status Simulation::OpenAdopted(const Namespace& space, FaultFileSystem& disk) {
  const auto engine = OpenRocksdbWith(&disk, DirectoryOfSpace(space.name),
                                      {.namespace_id = space.id, .wall_clock = &wall_clock_});
  if (!engine.ok()) return engine.status();
  for (const Region& region : regions_) {
    if (region.home != &space || region.exists != Existence::kYes) continue;
    auto log = OpenRegionAndWait(**engine, region.id, region.options, /*create=*/false);
    // The region itself may be lost.
    if (absl::IsNotFound(log.status())) continue;
    if (!log.ok()) return log.status();
    absl::Status status = CompareAdopted(region.model, **log);
    if (!status.ok()) return WithContext(status, absl::StrCat("region ", region.name()));
    const SequenceNumber last = (*log)->Position(1).last;
    const BatchResult result = CommitOne(**log, {.table = 1, .payloads = {"after the loss"}});
    if (!result.status.ok()) return result.status;
    if (result.first <= last) return Wrong("number ", result.first, " came back");
    RETURN_IF_WRONG(CloseAndWait(**log));
  }
  return absl::OkStatus();
}

absl::Status Simulation::CompareAdopted(const RegionModel& model, const RegionLog& log) {
  const auto found = ReadAll(log, ReadRange{});
  if (!found.ok()) return found.status();
  std::map<std::pair<TableId, SequenceNumber>, std::string> left;
  for (const StoredRecord& record : *found) {
    left[{record.table, record.sequence}] = record.payload;
  }
  for (const RegionModel::StoredBatch& batch : model.batches()) {
    uint64_t records = 0;
    uint64_t live = 0;
    uint64_t there = 0;
    for (const RegionModel::StoredPart& part : batch.parts) {
      for (size_t i = 0; i < part.payloads.size(); ++i) {
        ++records;
        live += part.first + i > model.MarkOf(part.table);
        const auto stored = left.find({part.table, part.first + i});
        if (stored == left.end()) continue;
        if (stored->second != part.payloads[i]) {
          return Wrong("record ", part.first + i, " of table ", part.table, " has other bytes");
        }
        ++there;
        left.erase(stored);
      }
    }
    // Deleted records whose mark is lost may be there again.
    if (live == records && there != 0 && there != records) {
      return Wrong(there, " of ", records, " records of a batch are left");
    }
  }
  if (left.empty()) return absl::OkStatus();
  return Wrong("nobody wrote record ", left.begin()->first.second, " of table ",
               left.begin()->first.first);
}

}  // namespace walden::testing
