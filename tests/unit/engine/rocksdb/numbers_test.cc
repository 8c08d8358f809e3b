// Which number a table says is next, and which one an append gets.
#include "engine/rocksdb/published_tables.h"
#include "engine/rocksdb/sequence_allocator.h"
#include "engine/wait.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using testing::CommitOne;

class RocksdbNumbersTest : public RocksdbTest {
 protected:
  // What is said of the next number is what an append gets, and what it accepts as expected.
  void ExpectNextIsWhatItSays(TableId table, SequenceNumber next) {
    EXPECT_EQ(log_->Position(table).next, next);
    EXPECT_EQ(log_->NextNumber(table), next);
    for (const TableState& state : log_->Describe().tables) {
      if (state.table == table) {
        EXPECT_EQ(state.next, next);
      }
    }
    testing::Batch batch{.table = table, .payloads = {"x"}};
    for (const SequenceNumber wrong : {next - 1, next + 1}) {
      batch.expected_next_sequence = wrong;
      const absl::Status refused = CommitOne(*log_, batch).status;
      EXPECT_TRUE(HasReason(refused, ErrorReason::kSequenceMismatch)) << refused;
      EXPECT_EQ(testing::ErrorValue(refused, "actual_next_sequence"), std::to_string(next));
    }
    batch.expected_next_sequence = next;
    const testing::BatchResult result = CommitOne(*log_, batch);
    EXPECT_TRUE(result.status.ok()) << result.status;
    EXPECT_EQ(result.first, next);
  }
};

TEST_F(RocksdbNumbersTest, AfterACrashThatBufferedAppendsCameBefore) {
  ASSERT_TRUE(Open().ok());
  SequenceNumber last = 0;
  for (int i = 0; i < 5; ++i) {
    last =
        CommitOne(*log_, {.table = 7, .payloads = {"x"}, .durability = Durability::kBuffered}).last;
  }
  disk_.Kill();
  Stop();
  disk_.Restart();
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  const SequenceNumber next = log_->Position(7).next;
  EXPECT_GT(next, last + 1) << "allocator were reserved";
  EXPECT_EQ(log_->Position(7).last, last);
  ExpectNextIsWhatItSays(7, next);
}

TEST_F(RocksdbNumbersTest, OfATableIdThatTwoRegionsHave) {
  auto other = OpenRegion(2);
  ASSERT_TRUE(other.ok()) << other.status();
  ASSERT_TRUE(Open().ok());
  Append(7, "a");
  Append(7, "b", other->get());
  Append(7, "c", other->get());
  ExpectNextIsWhatItSays(7, 4);
  Append(7, "d", other->get());
  ExpectNextIsWhatItSays(7, 6);
}

TEST_F(RocksdbNumbersTest, OfATableThatOnlyAnotherRegionHas) {
  auto other = OpenRegion(2);
  ASSERT_TRUE(other.ok()) << other.status();
  ASSERT_TRUE(Open().ok());
  for (int i = 0; i < 3; ++i) Append(7, "x", other->get());
  ASSERT_TRUE(MarkTableAndWait(**other, 7, 2, std::nullopt).ok());
  EXPECT_EQ(engine_->PositionInAbsentRegion(7).next, 4u);
  EXPECT_EQ(log_->Position(7).deleted_through, 0u) << "nothing of this region's";
  ExpectNextIsWhatItSays(7, 4);
}

TEST_F(RocksdbNumbersTest, OfADroppedRegionsTables) {
  ASSERT_TRUE(Open().ok());
  for (int i = 0; i < 3; ++i) Append(7, "x");
  ASSERT_TRUE(MarkTableAndWait(*log_, 7, 1, std::nullopt).ok());
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_.reset();
  ASSERT_TRUE(*DropRegionAndWait(*engine_, 1));
  EXPECT_EQ(engine_->PositionInAbsentRegion(7).next, 4u);
  for (const bool restarted : {false, true}) {
    if (restarted) OpenEngine();
    ASSERT_TRUE(Open().ok());
    EXPECT_EQ(log_->Position(7).deleted_through, 0u) << "the new region has deleted nothing";
    if (!restarted) log_.reset();
  }
  ExpectNextIsWhatItSays(7, 4);
}

// The stored MaxSeq of a table id that two regions have, and so what HoraeDB goes on from.
TEST_F(RocksdbNumbersTest, AMarkNeverLowersAMaxSeqThatADropWrote) {
  ASSERT_TRUE(Open().ok());
  auto other = OpenRegion(2);
  ASSERT_TRUE(other.ok()) << other.status();
  Append(7, "1");
  Append(7, "2", other->get());
  EXPECT_EQ(Append(7, "3").first, 3u);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_.reset();
  ASSERT_TRUE(*DropRegionAndWait(*engine_, 1));
  ASSERT_TRUE(MarkTableAndWait(**other, 7, 100, std::nullopt).ok());
  EXPECT_EQ((*other)->NextNumber(7), 4u);
  ASSERT_TRUE(CloseAndWait(**other).ok());
  other->reset();
  OpenEngine();
  ASSERT_TRUE(Open(2).ok());
  ExpectNextIsWhatItSays(7, 4);
}

// Otherwise whoever goes on from the next number misses the record that is under way.
TEST(SequenceAllocatorTest, TheNextOneIsNotAboveOneThatIsUnderWayInAnotherRegion) {
  rocks::SequenceAllocator allocator;
  rocks::PublishedTables slow(&allocator);
  rocks::PublishedTables fast(&allocator);
  AppendBatch batch;
  batch.tables = {{.table = 7, .payloads = {"x"}}};
  const auto publish = [&](rocks::PublishedTables& tables, SequenceNumber first,
                           SequenceNumber last) {
    tables.Publish({{.table = 7, .first = first, .last = last}});
    allocator.RaiseUsed(7, last);
    allocator.Finish(7, first);
  };
  const auto assign = [&](bool begins) {
    EXPECT_TRUE(allocator.Assign(batch, [begins](TableId) { return begins; }).ok());
    return batch.tables[0].first;
  };
  ASSERT_EQ(assign(/*begins=*/true), 1u);
  ASSERT_EQ(assign(/*begins=*/true), 2u);
  ASSERT_EQ(assign(/*begins=*/false), 3u);
  publish(fast, 2, 3);
  EXPECT_EQ(fast.Position(7).next, 4u);
  EXPECT_EQ(slow.Position(7).next, 1u);
  EXPECT_EQ(allocator.Used(7), 3u);
  publish(slow, 1, 1);
  EXPECT_EQ(slow.Position(7).next, 4u);
  EXPECT_EQ(fast.Position(7).next, 4u);
}

TEST_F(RocksdbNumbersTest, AfterAFailedWrite) {
  ASSERT_TRUE(Open().ok());
  Append(7, "x");
  disk_.FailNth(1, testing::file_op::kSync, EIO);
  EXPECT_FALSE(CommitOne(*log_, {.table = 7, .payloads = {"unknown"}}).status.ok());
  disk_.ClearFaults();
  log_.reset();
  ASSERT_TRUE(Open().ok());
  ExpectNextIsWhatItSays(7, log_->Position(7).next);
  EXPECT_LE(log_->Position(7).next, 4u);
}

// A reservation counts once it is stored. The numbers of BUFFERED records that a power cut takes
// are never given out again.
TEST_F(RocksdbNumbersTest, AReservationThatFailedKeepsNoNumberFromBeingGivenAgain) {
  ASSERT_TRUE(Open().ok());
  const testing::Batch buffered{.table = 7, .payloads = {"x"}, .durability = Durability::kBuffered};
  disk_.Inject({.operations = testing::file_op::kWrite, .path_part = ".log"});
  EXPECT_FALSE(CommitOne(*log_, buffered).status.ok());
  disk_.ClearFaults();
  log_.reset();
  ASSERT_TRUE(Open().ok());
  const testing::BatchResult told = CommitOne(*log_, buffered);
  ASSERT_TRUE(told.status.ok()) << told.status;
  disk_.PowerCut(testing::PowerLoss::kNothing);
  Stop();
  disk_.Restart();
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  EXPECT_GT(CommitOne(*log_, buffered).first, told.last);
}

}  // namespace
}  // namespace walden
