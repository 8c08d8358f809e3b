// What only the RocksDB engine promises: the cost of opening, space that comes back, numbers that
// regions share.
#include "engine/wait.h"
#include "tests/support/random.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using testing::ReadTable;

TEST_F(RocksdbTest, OpeningLooksAtTwoKeysOfEachTableHoweverManyItHolds) {
  ASSERT_TRUE(Open().ok());
  constexpr TableId kTables = 50;
  for (int round = 0; round < 20; ++round) {
    std::vector<testing::Batch> group(kTables);
    for (TableId table = 0; table < kTables; ++table) {
      group[table].table = table * 1000;
      group[table].payloads.assign(10, std::string(20, 'x'));
    }
    for (const testing::BatchResult& result : testing::CommitGroup(*log_, group)) {
      ASSERT_TRUE(result.status.ok()) << result.status;
    }
  }
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  OpenEngine();
  EXPECT_EQ(engine_->keys_read_at_opening(), 2 * kTables) << "of 10,000 records";
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(log_->Describe().opening.records_scanned, 2 * kTables);
  EXPECT_EQ(log_->Position(7000).next, 201u);
}

TEST_F(RocksdbTest, SpaceOfWhatWasMarkedDeletedComesBackWithoutARestart) {
  ASSERT_TRUE(Open().ok());
  testing::Random random(1);
  SequenceNumber last = 0;
  for (int i = 0; i < 400; ++i) {
    last = Append(1, random.NonZeroBytes(4000)).last;
    Append(2, "stays");
  }
  const uint64_t before = BytesOf(".sst") + BytesOf(".log");
  ASSERT_GT(before, 1'500'000u);
  ASSERT_TRUE(MarkTableAndWait(*log_, 1, last - 10, std::nullopt).ok());
  ASSERT_TRUE(engine_->ReclaimNow().ok());
  EXPECT_TRUE(Eventually([&] { return BytesOf(".sst") + BytesOf(".log") < 150'000; }));
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 10u);
  EXPECT_EQ(ReadTable(*log_, 2)->size(), 400u);
}

TEST_F(RocksdbTest, ATableIdInTwoRegionsNeverUsesANumberTwice) {
  ASSERT_TRUE(Open().ok());
  auto other = OpenRegion(2);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(Append(7, "a").first, 1u);
  EXPECT_EQ(Append(7, "b", other->get()).first, 2u);
  EXPECT_EQ(Append(7, "c").first, 3u);
  EXPECT_EQ(log_->Position(7).next, 4u);
  EXPECT_EQ((*other)->Position(7).next, 4u) << "what its next append gets";
  EXPECT_EQ((*other)->NextNumber(7), 4u);
  EXPECT_EQ((*other)->Position(7).last, 2u) << "a table's own end is in its own region";
  const testing::Batch too_low{.table = 7, .payloads = {"x"}, .expected_next_sequence = 3};
  EXPECT_TRUE(
      HasReason(testing::CommitOne(**other, too_low).status, ErrorReason::kSequenceMismatch));
  ASSERT_TRUE(MarkTableAndWait(**other, 7, 100, std::nullopt).ok());
  EXPECT_EQ(ReadTable(*log_, 7)->size(), 2u) << "deleted in one region, not in the other";
  ASSERT_TRUE(CloseAndWait(**other).ok());
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  other->reset();
  OpenEngine();
  ASSERT_TRUE(Open(2).ok());
  EXPECT_EQ(Append(7, "d").first, 4u);
}

TEST_F(RocksdbTest, ATableTakesTheKindOfItsFirstAppendForGood) {
  ASSERT_TRUE(Open().ok());
  const auto append = [&](TableId table, TableKind kind) {
    AppendBatch batch;
    batch.tables = {{.table = table, .payloads = {"x"}}};
    batch.kind = kind;
    AppendBatch* group[] = {&batch};
    CommitAndWait(*log_, group);
    return batch.result.status;
  };
  EXPECT_FALSE(log_->Position(1).kind);
  for (const bool restarted : {false, true}) {
    if (restarted) {
      ASSERT_TRUE(CloseAndWait(*log_).ok());
      OpenEngine();
      ASSERT_TRUE(Open().ok());
    }
    EXPECT_TRUE(append(1, TableKind::kEntries).ok());
    EXPECT_TRUE(append(2, TableKind::kLog).ok());
    EXPECT_TRUE(HasReason(append(1, TableKind::kLog), ErrorReason::kWrongTableKind));
    EXPECT_TRUE(HasReason(append(2, TableKind::kEntries), ErrorReason::kWrongTableKind));
    EXPECT_EQ(log_->Position(1).kind, TableKind::kEntries);
    EXPECT_EQ(log_->Describe().tables[0].kind, TableKind::kEntries);
    ASSERT_TRUE(MarkTableAndWait(*log_, 1, kMaxSequenceNumber, std::nullopt).ok());
  }
}

TEST_F(RocksdbTest, AFailedSyncFailsEveryRegionAndEachComesBackWhenItIsReopened) {
  ASSERT_TRUE(Open().ok());
  auto other = OpenRegion(2);
  ASSERT_TRUE(other.ok()) << other.status();
  Append(1, "kept");
  Append(1, "kept too", other->get());
  disk_.FailNth(1, testing::file_op::kSync, EIO);
  const auto failed = testing::CommitOne(*log_, {.payloads = {"lost"}});
  EXPECT_TRUE(HasReason(failed.status, ErrorReason::kRegionFailed)) << failed.status;
  EXPECT_TRUE(HasReason((*other)->Health(), ErrorReason::kRegionFailed));
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  ASSERT_TRUE(Open().ok());
  Append(1, "again");
  EXPECT_TRUE(HasReason((*other)->Health(), ErrorReason::kRegionFailed))
      << "what it wrote last is unknown until it is reopened";
  EXPECT_EQ(ReadTable(**other, 1)->size(), 1u) << "reads work";
  ASSERT_TRUE(CloseAndWait(**other).ok());
  other = OpenRegion(2);
  ASSERT_TRUE(other.ok()) << other.status();
  Append(1, "again", other->get());
  EXPECT_EQ(ReadTable(**other, 1)->size(), 2u);
}

TEST_F(RocksdbTest, ADirectoryThatIsGoneIsNoRegionThatNeverWas) {
  ASSERT_TRUE(Open().ok());
  Append(1, "acknowledged");
  disk_.FailNth(1, testing::file_op::kSync, EIO);
  EXPECT_FALSE(testing::CommitOne(*log_, {.table = 1, .payloads = {"unknown"}}).status.ok());
  disk_.ClearFaults();
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_.reset();
  ASSERT_TRUE(disk_.Rename("/data/default", "/data/elsewhere").ok());
  absl::Status refused = OpenRegion(1, /*create=*/false).status();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  // As below a volume that is not mounted any more: nor is it a new namespace.
  ASSERT_TRUE(disk_.CreateDirectory("/data/default").ok());
  refused = OpenRegion(1, /*create=*/true).status();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  ASSERT_TRUE(disk_.RemoveDirectory("/data/default").ok());
  ASSERT_TRUE(disk_.Rename("/data/elsewhere", "/data/default").ok());
  EXPECT_TRUE(OpenRegion(1, /*create=*/false).ok());
}

TEST_F(RocksdbTest, ABatchThatRocksdbCannotHoldInOneWriteIsRefused) {
  ASSERT_TRUE(Open().ok());
  const std::string payload(64 << 20, 'x');
  AppendBatch batch;
  batch.tables.resize(1);
  batch.tables[0].payloads.assign(17, payload);  // the same bytes, 17 times
  AppendBatch* group[] = {&batch};
  CommitAndWait(*log_, group);
  EXPECT_TRUE(HasReason(batch.result.status, ErrorReason::kLimitExceeded)) << batch.result.status;
  Append(1, "small");
}

}  // namespace
}  // namespace walden
