#include "tests/sweep/story.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "tests/support/random.h"
#include "tests/support/rocksdb_on_files.h"
#include "tests/support/settable_wall_clock.h"

namespace walden::sweep {
namespace {

using testing::Batch;
using testing::FaultFileSystem;
using testing::Random;

constexpr TableId kTables = 3;
constexpr size_t kCommitsAtOnce = 3;

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

// A region while it is written, by one producer and by appends without one.
struct Writing {
  ExpectedRegion* expected;
  std::unique_ptr<RegionLog> log;
  testing::SettableWallClock* clock;
  uint64_t producer = 0;
  uint64_t batches = 0;  // that the producer sent
};

// Sends the batch at a time of its own.
void Send(Writing& region, const Batch& batch) {
  region.clock->Advance(absl::Milliseconds(700));
  const testing::BatchResult result = testing::CommitOne(*region.log, batch);
  MustBe(result.status, "append");
  region.expected->Append(batch, result, region.clock->UnixMicros());
}

// Begins a commit of each batch before the first of them is done.
void SendTogether(Writing& region, const std::vector<Batch>& batches) {
  region.clock->Advance(absl::Milliseconds(700));
  std::vector<AppendBatch> sent;
  for (const Batch& batch : batches) sent.push_back(testing::EngineBatch(batch));
  size_t done = 0;
  for (AppendBatch& batch : sent) {
    AppendBatch* const one = &batch;
    region.log->Commit({&one, 1}, [&done] { ++done; });
  }
  while (region.log->Work()) {
  }
  MustBe(done == sent.size() ? absl::OkStatus() : absl::InternalError("not answered"), "appends");
  for (size_t i = 0; i < sent.size(); ++i) {
    MustBe(sent[i].result.status, "append");
    region.expected->Append(batches[i], testing::ResultOf(sent[i]), region.clock->UnixMicros());
  }
}

Batch RandomBatch(TableId table, size_t count, size_t bytes, Random& random) {
  Batch batch{.table = table};
  for (size_t i = 0; i < count; ++i) batch.payloads.push_back(random.NonZeroBytes(bytes));
  return batch;
}

void SendOfProducer(Writing& region, Batch batch) {
  if (region.producer == 0)
    region.producer = Must(OpenProducerAndWait(*region.log, {}), "producer");
  batch.producer = ProducerTag{region.producer, ++region.batches};
  Send(region, batch);
}

// A batch over the table and the next one, of a producer.
void SendOverTables(Writing& region, TableId table, size_t bytes, Random& random) {
  Batch batch = RandomBatch(table, 1, bytes, random);
  batch.more.push_back({.table = 1 + table % kTables, .payloads = {random.NonZeroBytes(bytes)}});
  SendOfProducer(region, std::move(batch));
}

void Mark(Writing& region, TableId table, SequenceNumber through) {
  ExpectedTable& known = region.expected->tables[table];
  known.mark = Must(testing::MarkTable(*region.log, table, through), "mark");
  known.append_after_mark = region.expected->appends + 1;
  while (!known.live.empty() && known.live.front().sequence <= known.mark) {
    known.live.erase(known.live.begin());
    known.appends.erase(known.appends.begin());
    known.times.erase(known.times.begin());
  }
}

// Tables of several sizes in turn, so that segments and table files hold more than one of them.
void Write(std::vector<Writing>& regions, Random& random) {
  for (int round = 0; round < 12; ++round) {
    for (Writing& region : regions) {
      const TableId table = 1 + round % kTables;
      if (round % 5 == 4) {
        SendOverTables(region, table, random.Between(20, 1500), random);
      } else if (round % 5 == 2) {
        std::vector<Batch> batches;
        for (size_t i = 0; i < kCommitsAtOnce; ++i) {
          batches.push_back(RandomBatch(1 + (round + i) % kTables, random.Between(1, 2),
                                        random.Between(20, 900), random));
        }
        SendTogether(region, batches);
      } else {
        Send(region, RandomBatch(table, random.Between(1, 4), random.Between(20, 1500), random));
      }
    }
  }
  for (Writing& region : regions) {
    SendOfProducer(region, {});  // passes over a number
    const auto& live = region.expected->tables[1].live;
    Mark(region, 1, live[live.size() / 3].sequence);
  }
}

}  // namespace

void ExpectedRegion::Append(const Batch& batch, const testing::BatchResult& answer,
                            int64_t unix_micros) {
  const std::vector<testing::BatchPart> parts = testing::PartsOf(batch);
  const std::vector<testing::PartResult> numbers = testing::NumbersOf(batch, answer);
  if (!parts.empty()) ++appends;
  for (size_t k = 0; k < parts.size(); ++k) {
    ExpectedTable& known = tables[parts[k].table];
    for (size_t i = 0; i < parts[k].payloads.size(); ++i) {
      known.live.push_back({parts[k].table, numbers[k].first + i, parts[k].payloads[i]});
      known.appends.push_back(appends);
      known.times.push_back(unix_micros);
    }
    known.highest = numbers[k].last;
  }
  if (batch.producer) sent.push_back({batch, answer, parts.empty() ? appends + 1 : appends});
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
  return {.recovery_policy = policy,
          .max_commits_under_way = kCommitsAtOnce,
          .segment_size_bytes = 16 << 10};
}

absl::StatusOr<std::unique_ptr<OpenedSpace>> OpenedSpace::Open(FaultFileSystem& disk,
                                                               DirectoryOwner engine,
                                                               const std::string& space,
                                                               const WallClock* wall_clock) {
  auto opened = std::make_unique<OpenedSpace>();
  const NamespaceId id = space == kSpaces[0] ? 1 : 2;
  absl::StatusOr<std::unique_ptr<LogEngine>> made;
  if (engine == DirectoryOwner::kRocksdb) {
    made = testing::OpenRocksdbWith(&disk, absl::StrCat("/data/", space),
                                    {.namespace_id = id, .wall_clock = wall_clock});
  } else {
    SegmentEngineOptions options;
    options.file_system = &disk;
    options.clock = Clock::Real();
    options.wall_clock = wall_clock;
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
  testing::SettableWallClock clock;
  for (const char* space : kSpaces) {
    for (const RegionId id : {1, 2}) story.regions.push_back({.space = space, .id = id});
  }
  std::vector<std::unique_ptr<OpenedSpace>> spaces;
  std::vector<Writing> writing;
  for (const char* space : kSpaces) {
    spaces.push_back(Must(OpenedSpace::Open(disk, engine, space, &clock), "engine"));
    for (ExpectedRegion& region : story.regions) {
      if (region.space != space) continue;
      writing.push_back({&region,
                         Must(OpenRegionAndWait(spaces.back()->engine(), region.id,
                                                OptionsWith(RecoveryPolicy::kRefuse), true),
                              "region"),
                         &clock});
    }
  }
  Write(writing, random);
  Write(writing, random);
  story.older = disk.CopyOfDisk(8);
  Write(writing, random);
  for (Writing& region : writing) {
    SendOverTables(region, 2, kLastAppendBytes / 2, random);
    if (ending == Ending::kClosed) MustBe(CloseAndWait(*region.log), "close");
    if (ending == Ending::kIdle) MustBe(NoteDurableAndWait(*region.log), "idle");
  }
  if (ending != Ending::kClosed) disk.Kill();
  writing.clear();
  spaces.clear();
  if (ending != Ending::kClosed) disk.Restart();
  return story;
}

}  // namespace walden::sweep
