// The namespaces of a simulation and their regions: opened, dropped, made again.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "tests/simulation/simulation.h"
#include "tests/support/rocksdb_on_files.h"

namespace walden::testing {
namespace {

constexpr char kDirectory[] = "/data";
constexpr const char* kNames[] = {"default", "manifest", "other"};

}  // namespace

void Simulation::ChooseRegions() {
  const bool is_rocksdb = kind_ == SimulatedEngine::kRocksdb;
  const bool wide = random_.Percent(is_rocksdb ? 30 : 3);
  large_records_ = !is_rocksdb && !wide && random_.Percent(2);
  const uint64_t spaces = random_.Percent(70) ? 1 : random_.Between(2, 3);
  for (uint64_t i = 0; i < spaces; ++i) {
    namespaces_.push_back(std::make_unique<Namespace>());
    namespaces_.back()->name = kNames[i];
    namespaces_.back()->id = static_cast<NamespaceId>(i + 1);
  }
  regions_.resize(random_.Between(1, 3) + (spaces - 1));
  for (size_t i = 0; i < regions_.size(); ++i) {
    constexpr uint64_t kSegmentBytes[] = {4 << 10, 8 << 10, 16 << 10, 64 << 10};
    constexpr uint32_t kSyncEvery[] = {1, 3, 10};
    constexpr size_t kCommits[] = {1, 2, 8};
    Region& region = regions_[i];
    region.id = i / spaces + 1;
    region.home = namespaces_[i % spaces].get();
    region.tables = wide && i == 0 ? random_.Between(260, 420) : random_.Between(1, 4);
    region.options.segment_size_bytes = kSegmentBytes[random_.Below(4)];
    if (region.wide()) region.options.segment_size_bytes = 64 << 10;
    if (large_records_ && i == 0) region.options.segment_size_bytes = 32 << 20;
    region.options.buffered_sync_every_writes = kSyncEvery[random_.Below(3)];
    region.options.max_commits_under_way = kCommits[random_.Below(3)];
    Forget(region);
  }
}

void Simulation::Forget(Region& region) {
  const bool is_rocksdb = kind_ == SimulatedEngine::kRocksdb;
  region.model = RegionModel(/*shared_numbers=*/is_rocksdb,
                             /*time_step_micros=*/is_rocksdb ? 1'000'000 : 0);
  region.tagged.clear();
  region.producers.clear();
}

absl::Status Simulation::OpenEverything() {
  for (const auto& space : namespaces_) {
    if (absl::Status status = OpenNamespace(*space); !status.ok()) return status;
  }
  for (Region& region : regions_) {
    absl::Status status = OpenExisting(region);
    if (status.ok() && region.writer == nullptr && random_.Percent(70)) {
      status = CreateOrOpen(region);
    }
    if (!status.ok()) return status;
    if (disk_.crashed()) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LogEngine>> Simulation::TryOpenNamespace(const Namespace& space) {
  Executor* const background = random_.Percent(70) ? &background_ : nullptr;
  if (kind_ == SimulatedEngine::kRocksdb) {
    return OpenRocksdbWith(&disk_, absl::StrCat(kDirectory, "/", space.name),
                           {.background = background,
                            .namespace_id = space.id,
                            .reclaim_bytes = 16 << 10,
                            .clock = &clock_,
                            .wall_clock = &wall_clock_});
  }
  SegmentEngineOptions options;
  options.file_system = &disk_;
  options.clock = &clock_;
  options.wall_clock = &wall_clock_;
  options.background = background;
  options.data_directory = kDirectory;
  options.namespace_name = space.name;
  options.spare_segment_bytes = regions_[0].options.segment_size_bytes;
  options.random = [this] { return random_.Next(); };
  return SegmentEngine::Open(options);
}

absl::Status Simulation::OpenNamespace(Namespace& space) {
  for (int attempt = 0;; ++attempt) {
    const uint64_t faults_before = disk_.faults_hit();
    auto engine = TryOpenNamespace(space);
    if (engine.ok()) {
      space.engine = std::move(*engine);
      return absl::OkStatus();
    }
    const bool excused =
        disk_.faults_hit() > faults_before || HasReason(engine.status(), ErrorReason::kDiskFull);
    if (disk_.crashed() || !excused || attempt > 0) return engine.status();
    Note(absl::StrCat("the engine does not open: ", ShowStatus(engine.status())));
    LiftLimits();
  }
}

absl::StatusOr<std::unique_ptr<RegionLog>> Simulation::OpenLog(Region& region, bool create) {
  for (int attempt = 0;; ++attempt) {
    const uint64_t faults_before = disk_.faults_hit();
    auto log = OpenRegionAndWait(*region.home->engine, region.id, region.options, create);
    if (log.ok() || disk_.crashed() || absl::IsNotFound(log.status())) return log;
    // After a failed sync the cache may lose bytes while the region is being opened.
    const bool excused =
        disk_.faults_hit() > faults_before || HasReason(log.status(), ErrorReason::kDiskFull) ||
        (TroubleOf(region).failed && HasReason(log.status(), ErrorReason::kIoError));
    if (!excused || attempt > 2) {
      return WithContext(log.status(), absl::StrCat("region ", region.name(), " does not open"));
    }
    Note(absl::StrCat("region ", region.name(), " does not open: ", ShowStatus(log.status())));
    LiftLimits();
  }
}

absl::Status Simulation::OpenExisting(Region& region) {
  auto log = OpenLog(region, /*create=*/false);
  if (disk_.crashed()) return absl::OkStatus();
  if (absl::IsNotFound(log.status())) {
    if (region.exists != Existence::kYes) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("region ", region.name(), " is gone"));
  }
  if (!log.ok()) return log.status();
  if (region.exists == Existence::kNo) {
    return absl::InternalError(absl::StrCat("region ", region.name(), " was dropped and is back"));
  }
  if (region.exists == Existence::kMaybe) {
    // The one that was being dropped, or the one that was being made in its place.
    const auto records = ReadAll(**log, ReadRange{});
    const RegionDescription found = (*log)->Describe();
    const bool is_empty = records.ok() && records->empty() && found.tables.empty();
    if (is_empty && found.region_version == 0) Forget(region);
  }
  return Use(region, *std::move(log));
}

absl::Status Simulation::CreateOrOpen(Region& region) {
  if (region.exists != Existence::kNo) {
    if (absl::Status status = OpenExisting(region); !status.ok()) return status;
    if (region.writer != nullptr || disk_.crashed()) return absl::OkStatus();
  }
  Note(absl::StrCat("region ", region.name(), " create"));
  if (kind_ == SimulatedEngine::kSegment && random_.Percent(20)) {
    disk_.FailNth(random_.Between(1, 4), file_op::kSyncDirectory, EMFILE);
  }
  if (random_.Percent(10)) ArmCrash(12);
  const Existence before = region.exists;
  region.exists = Existence::kMaybe;
  auto log = OpenLog(region, /*create=*/true);
  if (disk_.crashed()) return absl::OkStatus();
  if (!log.ok()) return log.status();
  if (before == Existence::kMaybe) Forget(region);
  if (absl::Status status = Use(region, *std::move(log)); !status.ok() || disk_.crashed()) {
    return status;
  }
  // A fence may be the first thing that a region gets.
  if (!random_.Percent(25)) return absl::OkStatus();
  if (random_.Percent(40)) ArmCrash(8);
  return Fence(region);
}

absl::Status Simulation::Use(Region& region, std::unique_ptr<RegionLog> log) {
  region.exists = Existence::kYes;
  const size_t most = region.options.max_commits_under_way;
  const auto on_answer = [this, &region] { OnAnswer(region); };
  region.writer = random_.Percent(50) ? WriteToLog(std::move(log), most, on_answer)
                                      : WriteThroughActor(region.id, std::move(log), most, &turns_,
                                                          &random_, on_answer);
  Trouble trouble = TroubleOf(region);
  trouble.lost_bytes |= disk_.faults_hit() > region.faults_before;
  region.faults_before = disk_.faults_hit();
  region.disk_was_full = disk_limited_;
  region.lost_bytes = false;
  absl::Status status = region.model.ResolveReopened(region.log(), trouble);
  if (disk_.crashed()) return absl::OkStatus();  // RocksDB's threads are at work too
  const OpeningReport report = region.log().Describe().opening;
  Note(absl::StrCat("region ", region.name(), " opened, torn tail of ", report.torn_tail_bytes,
                    " bytes"));
  RaiseGiven(region);
  if (status.ok()) status = SeekByTime(region, random_.Between(1, region.tables));
  if (disk_.crashed()) return absl::OkStatus();
  if (status.ok() && random_.Percent(30)) status = ProbeFence(region);
  if (disk_.crashed()) return absl::OkStatus();
  if (status.ok() && report.outcome == OpeningReport::Outcome::kQuarantined) {
    return absl::InternalError("quarantined though no byte was damaged");
  }
  return status.ok() ? status
                     : WithContext(status, absl::StrCat("region ", region.name(), " reopened"));
}

absl::Status Simulation::Drop(Region& region) {
  if (absl::Status status = CloseForReopening(region); !status.ok()) return status;
  if (disk_.crashed()) return absl::OkStatus();
  if (random_.Percent(15)) ArmCrash(10);
  const auto dropped = DropRegionAndWait(*region.home->engine, region.id);
  Note(absl::StrCat("region ", region.name(), " drop -> ",
                    dropped.ok() ? "dropped" : ShowStatus(dropped.status())));
  if (!dropped.ok()) {
    region.exists = Existence::kMaybe;
    return TroubleOf(region).failed ? absl::OkStatus() : dropped.status();
  }
  if (!*dropped) return absl::InternalError("there was no region to drop");
  region.exists = Existence::kNo;
  Forget(region);
  if (!region.wide() || random_.Percent(30)) return absl::OkStatus();
  // What is left of the old one is reclaimed while the new one is written.
  if (absl::Status status = CreateOrOpen(region); !status.ok()) return status;
  if (region.writer == nullptr || disk_.crashed()) return absl::OkStatus();
  return AppendToManyTables(region);
}

absl::Status Simulation::CheckGiven(Region& region, const std::vector<BatchResult>& results,
                                    const std::vector<Batch>& group) {
  if (kind_ != SimulatedEngine::kRocksdb) return absl::OkStatus();
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].status.ok() || results[i].duplicate) continue;
    const std::vector<BatchPart> parts = PartsOf(group[i]);
    const std::vector<PartResult> numbers = NumbersOf(group[i], results[i]);
    for (size_t k = 0; k < parts.size(); ++k) {
      SequenceNumber& given = region.home->given[parts[k].table];
      if (numbers[k].first <= given) {
        return absl::InternalError(absl::StrCat("table ", parts[k].table, " of namespace ",
                                                region.home->name, ": number ", numbers[k].first,
                                                " came back, ", given, " was given before"));
      }
      given = numbers[k].last;
    }
  }
  return absl::OkStatus();
}

void Simulation::RaiseGiven(Region& region) {
  if (kind_ != SimulatedEngine::kRocksdb) return;
  for (const TableId table : region.model.Tables()) {
    SequenceNumber& given = region.home->given[table];
    given = std::max(given, region.model.HighestAnswered(table));
  }
}

}  // namespace walden::testing
