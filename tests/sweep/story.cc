#include "tests/sweep/story.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "engine/segment/segment_engine.h"
#include "tests/support/random.h"
#include "tests/support/rocksdb_on_files.h"

namespace walden::sweep {
namespace {

using testing::Batch;
using testing::FaultFileSystem;
using testing::Random;

constexpr TableId kTables = 3;

void MustBe(const absl::Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  std::abort();
}

template <typename T>
T Must(absl::StatusOr<T> value, const char* what) {
  MustBe(value.status(), what);
  return *std::move(value);
}

// The regions while they are written.
struct Writing {
  ExpectedRegion* expected;
  std::unique_ptr<RegionLog> log;
};

void Append(Writing& region, TableId table, size_t count, size_t bytes, Random& random) {
  Batch batch;
  batch.table = table;
  for (size_t i = 0; i < count; ++i) batch.payloads.push_back(random.NonZeroBytes(bytes));
  const testing::BatchResult result = testing::CommitOne(*region.log, batch);
  MustBe(result.status, "append");
  region.expected->Append(table, result.first, batch.payloads);
}

void Mark(Writing& region, TableId table, SequenceNumber through) {
  ExpectedTable& known = region.expected->tables[table];
  known.mark = Must(region.log->MarkDeleted(table, through, std::nullopt), "mark");
  known.append_after_mark = region.expected->appends + 1;
  while (!known.live.empty() && known.live.front().sequence <= known.mark) {
    known.live.erase(known.live.begin());
    known.appends.erase(known.appends.begin());
  }
}

// Tables of several sizes in turn, so that segments and table files hold more than one of them.
void Write(std::vector<Writing>& regions, Random& random) {
  for (int round = 0; round < 12; ++round) {
    for (Writing& region : regions) {
      const TableId table = 1 + round % kTables;
      Append(region, table, random.Between(1, 4), random.Between(20, 1500), random);
    }
  }
  for (Writing& region : regions) {
    const auto& live = region.expected->tables[1].live;
    Mark(region, 1, live[live.size() / 3].sequence);
  }
}

}  // namespace

void ExpectedRegion::Append(TableId table, SequenceNumber first,
                            const std::vector<std::string>& payloads) {
  ExpectedTable& known = tables[table];
  ++appends;
  for (size_t i = 0; i < payloads.size(); ++i) {
    known.live.push_back({table, first + i, payloads[i]});
    known.appends.push_back(appends);
  }
  known.highest = first + payloads.size() - 1;
}

const char* EndingName(Ending ending) {
  switch (ending) {
    case Ending::kClosed:
      return "closed";
    case Ending::kIdle:
      return "killed when idle";
    case Ending::kKilled:
      return "killed";
  }
  return "?";
}

RegionOptions OptionsWith(RecoveryPolicy policy) {
  return {.recovery_policy = policy, .segment_size_bytes = 16 << 10};
}

absl::StatusOr<std::unique_ptr<OpenedSpace>> OpenedSpace::Open(FaultFileSystem& disk,
                                                               DirectoryOwner engine,
                                                               const std::string& space) {
  auto opened = std::make_unique<OpenedSpace>();
  const NamespaceId id = space == kSpaces[0] ? 1 : 2;
  absl::StatusOr<std::unique_ptr<LogEngine>> made;
  if (engine == DirectoryOwner::kRocksdb) {
    made = testing::OpenRocksdbWith(&disk, absl::StrCat("/data/", space), {.namespace_id = id});
  } else {
    SegmentEngineOptions options;
    options.file_system = &disk;
    options.clock = Clock::Real();
    options.data_directory = "/data";
    options.namespace_name = space;
    options.spare_segment_bytes = 16 << 10;
    made = SegmentEngine::Open(options);
  }
  if (!made.ok()) return made.status();
  opened->engine_ = *std::move(made);
  return opened;
}

Story Tell(DirectoryOwner engine, Ending ending) {
  Story story;
  story.disk = std::make_unique<FaultFileSystem>(7);
  FaultFileSystem& disk = *story.disk;
  MustBe(disk.CreateDirectory("/data"), "directory");
  Random random(11);
  for (const char* space : kSpaces) {
    for (const RegionId id : {1, 2}) story.regions.push_back({.space = space, .id = id});
  }
  std::vector<std::unique_ptr<OpenedSpace>> spaces;
  std::vector<Writing> writing;
  for (const char* space : kSpaces) {
    spaces.push_back(Must(OpenedSpace::Open(disk, engine, space), "engine"));
    for (ExpectedRegion& region : story.regions) {
      if (region.space != space) continue;
      writing.push_back({&region, Must(spaces.back()->engine().OpenRegion(
                                           region.id, OptionsWith(RecoveryPolicy::kRefuse), true),
                                       "region")});
    }
  }
  Write(writing, random);
  Write(writing, random);
  story.older = disk.CopyOfDisk(8);
  Write(writing, random);
  for (Writing& region : writing) {
    Append(region, 2, 2, kLastAppendBytes / 2, random);
    if (ending == Ending::kClosed) MustBe(region.log->Close(), "close");
    if (ending == Ending::kIdle) MustBe(region.log->NoteDurable(), "idle");
  }
  if (ending != Ending::kClosed) disk.Kill();
  writing.clear();
  spaces.clear();
  if (ending != Ending::kClosed) disk.Restart();
  return story;
}

}  // namespace walden::sweep
