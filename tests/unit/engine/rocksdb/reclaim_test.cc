// Space of what was marked deleted or dropped comes back, and nothing else goes.
#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "engine/wait.h"
#include "tests/support/random.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using testing::ReadTable;
using testing::StoredRecord;

// Runs what is posted when the test says so.
class QueueExecutor final : public Executor {
 public:
  void Post(std::function<void()> work) override { waiting_.push_back(std::move(work)); }
  void RunAll() {
    while (!waiting_.empty()) {
      const std::function<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      work();
    }
  }

 private:
  std::deque<std::function<void()>> waiting_;
};

class HandClock final : public Clock {
 public:
  absl::Duration Now() const override { return now_; }
  void Advance(absl::Duration duration) { now_ += duration; }

 private:
  absl::Duration now_ = absl::Seconds(100);
};

class RocksdbReclaimTest : public RocksdbTest {
 protected:
  void SetUp() override {
    clock_ = &hand_clock_;
    background_ = &background_work_;
    RocksdbTest::SetUp();
    ASSERT_TRUE(Open().ok());
  }

  // Appends `rounds` records to each of the tables 1..tables, in turns.
  void Fill(RegionLog& log, RegionId region, TableId tables, int rounds, size_t bytes) {
    for (int round = 0; round < rounds; ++round) {
      std::vector<testing::Batch> group(tables);
      for (TableId table = 1; table <= tables; ++table) {
        group[table - 1].table = table;
        group[table - 1].payloads = {random_.NonZeroBytes(bytes)};
      }
      const std::vector<testing::BatchResult> results = testing::CommitGroup(log, group);
      for (TableId table = 1; table <= tables; ++table) {
        const testing::BatchResult& result = results[table - 1];
        ASSERT_TRUE(result.status.ok()) << result.status;
        model_[{region, table}].push_back({table, result.first, group[table - 1].payloads[0]});
      }
    }
  }

  void Mark(RegionLog& log, RegionId region, TableId table, SequenceNumber through) {
    const auto marked = MarkTableAndWait(log, table, through, std::nullopt);
    ASSERT_TRUE(marked.ok()) << marked.status();
    std::erase_if(model_[{region, table}],
                  [&](const StoredRecord& record) { return record.sequence <= *marked; });
  }

  void ExpectModel(const RegionLog& log, RegionId region) {
    for (const auto& [key, records] : model_) {
      if (key.first != region) continue;
      const auto found = ReadTable(log, key.second);
      ASSERT_TRUE(found.ok()) << found.status();
      ASSERT_TRUE(*found == records)
          << "table " << key.second << ": " << found->size() << " records, not " << records.size();
    }
  }

  void PowerCut() {
    disk_.PowerCut(testing::PowerLoss::kAll);
    Stop();
    disk_.Restart();
    OpenEngine();
    ASSERT_TRUE(Open().ok());
  }

  // Of RocksDB's files.
  uint64_t BytesOnDisk() {
    uint64_t bytes = 0;
    for (const std::string& path : disk_.FilesBelow("/data/default")) {
      if (path.find("/walden_") != std::string::npos) continue;
      const auto size = disk_.FileSize(path);
      if (size.ok()) bytes += *size;  // RocksDB may remove it meanwhile
    }
    return bytes;
  }

  // As the daemon does, for so long.
  void Idle(absl::Duration duration) {
    for (absl::Duration passed; passed < duration; passed += absl::Seconds(1)) {
      hand_clock_.Advance(absl::Seconds(1));
      engine_->KeepHouse();
      background_work_.RunAll();
    }
  }

  // Within a minute, but for what RocksDB's threads were at.
  void ExpectSpaceComesBack(uint64_t before) {
    EXPECT_TRUE(Eventually([&] {
      Idle(absl::Seconds(60));
      return BytesOnDisk() < before / 10;
    })) << BytesOnDisk()
        << " bytes are left of " << before;
  }

  HandClock hand_clock_;
  QueueExecutor background_work_;
  testing::Random random_{1};
  std::map<std::pair<RegionId, TableId>, std::vector<StoredRecord>> model_;
};

// More tables than anything counts up to, marked a little at a time, so that live records of all of
// them lie between what is deleted.
TEST_F(RocksdbReclaimTest, MarksOfHundredsOfTablesTakeNothingOutThatIsLive) {
  constexpr TableId kTables = 600;
  Fill(*log_, 1, kTables, 20, 150);
  for (SequenceNumber through = 4; through <= 16; through += 4) {
    for (TableId table = 1; table <= kTables; ++table) Mark(*log_, 1, table, through);
    background_work_.RunAll();
    ASSERT_TRUE(engine_->ReclaimNow().ok());
    ExpectModel(*log_, 1);
    if (HasFailure()) FAIL() << "after marks through " << through;
    PowerCut();
    background_work_.RunAll();
    ExpectModel(*log_, 1);
    if (HasFailure()) FAIL() << "after a power cut, marks through " << through;
  }
}

class EverythingMarkedTest : public RocksdbReclaimTest,
                             public ::testing::WithParamInterface<TableId> {};
INSTANTIATE_TEST_SUITE_P(Tables, EverythingMarkedTest, ::testing::Values(1, 1000));

TEST_P(EverythingMarkedTest, ItsSpaceComesBackWithoutAnotherAppendWithinAMinute) {
  const TableId tables = GetParam();
  auto other = OpenRegion(2);
  ASSERT_TRUE(other.ok()) << other.status();
  Fill(**other, 2, 5, 4, 100);
  Fill(*log_, 1, tables, static_cast<int>(2000 / tables), 1500);
  const uint64_t before = BytesOnDisk();
  for (TableId table = 1; table <= tables; ++table) Mark(*log_, 1, table, kMaxSequenceNumber);
  ExpectSpaceComesBack(before);
  ExpectModel(**other, 2);
  other->reset();
  PowerCut();
  ExpectModel(*log_, 1);
  EXPECT_EQ(log_->Position(1).deleted_through, log_->Position(1).next - 1);
  other = OpenRegion(2);
  ASSERT_TRUE(other.ok()) << other.status();
  ExpectModel(**other, 2);
}

TEST_F(RocksdbReclaimTest, VerifyFindsNothingInARegionWhoseRecordsAreMarkedAndRemovedMeanwhile) {
  for (int i = 0; i < 200; ++i) Append(1, std::string(1000, 'x'));
  bool marked = false;
  uint64_t records = 0;
  ASSERT_TRUE(log_->Verify([&](const VerifyProgress& progress) {
                    for (const DamagedRange& finding : progress.findings) {
                      ADD_FAILURE() << finding.reason;
                    }
                    records = progress.records_checked;
                    if (std::exchange(marked, true)) return true;
                    std::thread([&] {
                      EXPECT_TRUE(MarkTableAndWait(*log_, 1, 200, std::nullopt).ok());
                      EXPECT_TRUE(engine_->ReclaimNow().ok());
                    }).join();
                    return true;
                  })
                  .ok());
  EXPECT_LT(records, 200u) << "the records were not removed meanwhile";
}

TEST_F(RocksdbReclaimTest, WhatAnEarlierProcessMarkedIsReclaimedToo) {
  Fill(*log_, 1, 10, 100, 1000);
  const uint64_t before = BytesOnDisk();
  for (TableId table = 1; table <= 10; ++table) Mark(*log_, 1, table, kMaxSequenceNumber);
  PowerCut();
  ExpectSpaceComesBack(before);
}

TEST_F(RocksdbReclaimTest, ARegionThatIsMadeAgainKeepsItsRecordsAndTheOldOnesGo) {
  auto big = OpenRegion(2);
  ASSERT_TRUE(big.ok()) << big.status();
  Fill(**big, 2, 10, 240, 500);
  Fill(*log_, 1, 4, 20, 500);
  const std::string old = model_[{1, 1}][0].payload;
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_.reset();
  ASSERT_TRUE(*DropRegionAndWait(*engine_, 1));
  for (TableId table = 1; table <= 4; ++table) model_[{1, table}].clear();
  ASSERT_TRUE(Open().ok());
  ExpectModel(*log_, 1);
  Fill(*log_, 1, 4, 400, 500);
  for (SequenceNumber through = 40; through <= 240; through += 40) {
    for (TableId table = 1; table <= 10; ++table) Mark(**big, 2, table, through);
    background_work_.RunAll();
    ASSERT_TRUE(engine_->ReclaimNow().ok());
    ExpectModel(*log_, 1);
    if (HasFailure()) FAIL() << "after marks of the other region through " << through;
  }
  big->reset();
  Stop();
  for (const std::string& path : disk_.FilesBelow("/data/default")) {
    EXPECT_EQ(disk_.ReadWhole(path).find(old), std::string::npos) << path;
  }
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  PowerCut();
  ExpectModel(*log_, 1);
}

TEST_F(RocksdbReclaimTest, ARegionThatAnEarlierProcessDroppedGoesFromTheDisk) {
  Fill(*log_, 1, 4, 100, 1000);
  const uint64_t before = BytesOnDisk();
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_.reset();
  ASSERT_TRUE(*DropRegionAndWait(*engine_, 1));
  Stop();  // before the background came to it
  background_work_.RunAll();
  OpenEngine();
  ExpectSpaceComesBack(before);
}

// A log that is brought along keeps its numbers, which may be lower than those of a dropped region.
TEST_F(RocksdbReclaimTest, RecordsBelowTheMarkOfADroppedRegionStay) {
  Fill(*log_, 1, 3, 100, 300);
  for (TableId table = 1; table <= 3; ++table) Mark(*log_, 1, table, 90);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_.reset();
  ASSERT_TRUE(*DropRegionAndWait(*engine_, 1));
  model_.clear();
  ASSERT_TRUE(Open().ok());
  for (TableId table = 1; table <= 3; ++table) {
    ASSERT_TRUE(RestoreMarkAndWait(*log_, table, 9, TableKind::kLog).ok());
    for (SequenceNumber sequence = 10; sequence <= 60; ++sequence) {
      testing::Batch batch{.table = table, .payloads = {random_.NonZeroBytes(300)}};
      batch.first_sequence = sequence;
      const testing::BatchResult result = testing::CommitOne(*log_, batch);
      ASSERT_TRUE(result.status.ok()) << result.status;
      model_[{1, table}].push_back({table, sequence, batch.payloads[0]});
    }
  }
  for (int round = 0; round < 3; ++round) {
    background_work_.RunAll();
    ASSERT_TRUE(engine_->ReclaimNow().ok());
    ExpectModel(*log_, 1);
    Mark(*log_, 1, 2, 20 + round);
  }
  PowerCut();
  background_work_.RunAll();
  ExpectModel(*log_, 1);
}

TEST_F(RocksdbReclaimTest, AMarkWhoseSyncFailedTakesNothingOut) {
  Fill(*log_, 1, 2, 50, 300);
  disk_.FailNth(1, testing::file_op::kSync, EIO);
  EXPECT_FALSE(MarkTableAndWait(*log_, 1, 40, std::nullopt).ok());
  disk_.ClearFaults();
  log_.reset();
  disk_.PowerCut(testing::PowerLoss::kAll);
  Stop();
  disk_.Restart();
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  background_work_.RunAll();
  ASSERT_TRUE(engine_->ReclaimNow().ok());
  const SequenceNumber mark = log_->Position(1).deleted_through;
  EXPECT_TRUE(mark == 0 || mark == 40) << mark;
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 50 - mark);
  EXPECT_EQ(ReadTable(*log_, 2)->size(), 50u);
}

// RocksDB aborts the process if it switches a memtable twice that holds a drop.
class DropThenFailureTest : public RocksdbReclaimTest {
 protected:
  void DropARegion() {
    auto other = OpenRegion(2);
    ASSERT_TRUE(other.ok()) << other.status();
    Fill(**other, 2, 2, 20, 500);
    Fill(*log_, 1, 2, 5, 100);
    ASSERT_TRUE(CloseAndWait(**other).ok());
    other->reset();
    ASSERT_TRUE(*DropRegionAndWait(*engine_, 2));
  }
  void ExpectItGoesOn() {
    disk_.ClearFaults();
    log_.reset();
    ASSERT_TRUE(Open().ok());
    EXPECT_EQ(*engine_->ListRegions(), std::vector<RegionId>{1});
    Idle(absl::Seconds(60));
    Fill(*log_, 1, 2, 1, 100);
    for (TableId table = 1; table <= 2; ++table) {
      const auto records = ReadTable(*log_, table);
      ASSERT_TRUE(records.ok()) << records.status();
      const auto& known = model_[{1, table}];
      ASSERT_GE(records->size(), known.size());
      EXPECT_TRUE(std::equal(known.begin(), known.end() - 1, records->begin()));
      EXPECT_EQ(records->back().payload, known.back().payload);
    }
    PowerCut();
    EXPECT_EQ(*engine_->ListRegions(), std::vector<RegionId>{1});
  }
};

TEST_F(DropThenFailureTest, AFailedSyncEndsTheReclaimingAndNotTheProcess) {
  DropARegion();
  disk_.FailNth(1, testing::file_op::kSync, EIO);
  const testing::Batch batch{.table = 1, .payloads = {"unknown"}};
  EXPECT_FALSE(testing::CommitOne(*log_, batch).status.ok());
  Idle(absl::Seconds(60));
  ExpectItGoesOn();
}

TEST_F(DropThenFailureTest, ALogThatCannotBeCreatedFailsTheNextAppendAndNotTheProcess) {
  for (const int error : {EIO, ENOSPC}) {
    SCOPED_TRACE(error);
    DropARegion();
    disk_.Inject({.operations = testing::file_op::kCreate,
                  .times = testing::Fault::kForever,
                  .error_number = error,
                  .path_part = ".log"});
    // The first one switches to a log that cannot be created.
    for (int i = 0; i < 2; ++i) (void)engine_->ReclaimNow();
    const testing::Batch batch{.table = 1, .payloads = {"not stored"}};
    const absl::Status status = testing::CommitOne(*log_, batch).status;
    EXPECT_TRUE(HasReason(status, ErrorReason::kRegionFailed)) << status;
    Idle(absl::Seconds(60));
    ExpectItGoesOn();
    if (HasFailure()) return;
  }
}

TEST_F(RocksdbReclaimTest, WorkThatWaitsWhenTheEngineGoesIsForgotten) {
  Fill(*log_, 1, 2, 200, 1000);
  Mark(*log_, 1, 1, 200);
  Stop();
  background_work_.RunAll();
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  ExpectModel(*log_, 1);
}

}  // namespace
}  // namespace walden
