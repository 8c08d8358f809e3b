// Batches that fill a segment exactly, cross into the next one, or fit none.
#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

constexpr uint64_t kSegmentBytes = 16 << 10;

class SegmentBoundaryTest : public LogTest {
 protected:
  void SetUp() override {
    LogTest::SetUp();
    CloseLog();
    ASSERT_TRUE(DropRegionAndWait(engine(), kRegion).ok());
    set_segment_size(kSegmentBytes);
    OpenLog();
    full_ = FullPayload(kSegmentBytes);
  }

  // Payload bytes that fill an empty segment of `bytes` exactly as one batch of one record.
  uint64_t FullPayload(uint64_t bytes) {
    const absl::Status refused = TryBytes(bytes).status;
    EXPECT_ERROR(refused, kInvalidArgument, kLimitExceeded);
    return std::stoull(ErrorValue(refused, "limit")) - *GetParam().engine->record_overhead;
  }

  BatchResult TryBytes(uint64_t bytes) {
    Batch batch;
    batch.payloads = {std::string(bytes, 'f')};
    return Try(batch);
  }

  uint64_t full_ = 0;
};
INSTANTIATE_TEST_SUITE_P(
    Engines, SegmentBoundaryTest,
    ::testing::ValuesIn(SettingsWith(AllSettings(),
                                     [](const EngineUnderTest& engine) {
                                       return engine.record_overhead.has_value();
                                     })),
    SettingName);

TEST_P(SegmentBoundaryTest, ABatchThatFillsASegmentExactlyIsStored) {
  ASSERT_STATUS_OK(TryBytes(full_).status);
  EXPECT_EQ(log().Describe().segments.front().used_bytes, kSegmentBytes);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
  ASSERT_STATUS_OK(TryBytes(full_).status);
  ASSERT_STATUS_OK(TryBytes(full_ - 1).status);
  ASSERT_STATUS_OK(TryBytes(0).status);
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(SegmentBoundaryTest, ASegmentTellsAboutHowManyOfItsBytesAreLive) {
  for (int i = 0; i < 4; ++i) ASSERT_STATUS_OK(TryBytes(2000).status);
  SegmentDescription segment = log().Describe().segments.front();
  const uint64_t used = segment.used_bytes;
  EXPECT_LE(segment.live_bytes, used);
  EXPECT_GE(segment.live_bytes, 4 * 2000u);
  MarkDeleted(1, 2);
  for (int round = 0; round < 2; ++round) {
    segment = log().Describe().segments.front();
    EXPECT_GE(segment.used_bytes, used);
    EXPECT_LE(segment.live_bytes, used);
    EXPECT_GE(segment.live_bytes, 2 * 2000u);
    RestartEngine();
  }
  MarkDeleted(1, 4);
  EXPECT_LT(log().Describe().segments.front().live_bytes, 100u) << "the file's head alone";
}

TEST_P(SegmentBoundaryTest, TablesThatTakeTurnsAreNotCountedTwice) {
  for (int i = 0; i < 1000; ++i) Append(1 + i % 5, 1);
  for (int round = 0; round < 2; ++round) {
    const RegionDescription description = log().Describe();
    ASSERT_GT(description.segments.size(), 1u);
    for (const SegmentDescription& segment : description.segments) {
      EXPECT_LE(segment.live_bytes, segment.used_bytes);
    }
    uint64_t live = 0;
    for (const TableId table : ledger().Tables()) {
      for (const StoredRecord& record : ledger().Live(table)) {
        live += record.payload.size() + *GetParam().engine->record_overhead;
      }
    }
    EXPECT_EQ(description.live_bytes, live);
    RestartEngine();
  }
}

TEST_P(SegmentBoundaryTest, ABatchLargerThanASegmentIsRefusedAndLeavesNothingBehind) {
  Append(1, 1);
  EXPECT_ERROR(TryBytes(full_ + 1).status, kInvalidArgument, kLimitExceeded);
  EXPECT_ERROR(TryBytes(full_ * 10).status, kInvalidArgument, kLimitExceeded);
  ASSERT_STATUS_OK(log().Health());
  ExpectLogHoldsLedger();
  const BatchResult next = Append(1, 1);
  EXPECT_EQ(next.first, 2u) << "the refused batches burnt numbers";
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(SegmentBoundaryTest, ManySmallPayloadsTooManyForASegmentAreRefused) {
  Batch batch;
  batch.payloads.assign(kSegmentBytes, "");
  EXPECT_ERROR(Try(batch).status, kInvalidArgument, kLimitExceeded);
  Append(1, 1);
  ExpectLogHoldsLedger();
}

TEST_P(SegmentBoundaryTest, EveryWayOfEndingNearTheEndOfASegmentIsReadBack) {
  for (uint64_t left = 0; left <= 64; ++left) {
    ASSERT_STATUS_OK(TryBytes(full_ - left).status);
    ASSERT_STATUS_OK(TryBytes(left % 9).status);
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(SegmentBoundaryTest, OneGroupMayFillSeveralSegments) {
  std::vector<Batch> group(40);
  for (size_t i = 0; i < group.size(); ++i) {
    group[i].table = 1 + i % 3;
    group[i].durability = i % 5 == 0 ? Durability::kSync : Durability::kBuffered;
    group[i].payloads = {std::string(1 + (i * 997) % 5000, 'a' + i % 26), "tail"};
  }
  const auto results = CommitGroup(log(), group);
  for (size_t i = 0; i < group.size(); ++i) {
    ASSERT_STATUS_OK(results[i].status);
    EXPECT_TRUE(results[i].durable);
    ledger().Appended(group[i].table, results[i], group[i].payloads);
  }
  EXPECT_GT(log().Describe().segments.size(), 3u);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(SegmentBoundaryTest, SegmentsThatHoldNothingLiveAreFreed) {
  for (int i = 0; i < 10; ++i) ASSERT_STATUS_OK(TryBytes(full_).status);
  const auto before = log().Describe();
  ASSERT_GE(before.segments.size(), 10u);
  MarkDeleted(1, 5);
  const auto after = log().Describe();
  EXPECT_LE(after.segments.size(), before.segments.size() - 5);
  EXPECT_LE(after.live_bytes, before.live_bytes / 2 + 1);
  MarkDeleted(1, 10);
  EXPECT_LE(log().Describe().segments.size(), 2u);
  ExpectLogHoldsLedger();
  RestartEngine();
  EXPECT_LE(log().Describe().segments.size(), 2u);
  ExpectLogHoldsLedger();
}

TEST_P(SegmentBoundaryTest, ASegmentStaysWhileOneOfItsTablesNeedsIt) {
  for (int i = 0; i < 5; ++i) {
    Append(1, 1);
    Append(2, 1);
    ASSERT_STATUS_OK(TryBytes(full_ / 2).status);
  }
  const size_t before = log().Describe().segments.size();
  MarkDeleted(1, ledger().Next(1) - 1);
  EXPECT_EQ(log().Describe().segments.size(), before);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(SegmentBoundaryTest, TheSizeOfSegmentsMayChangeBetweenOpenings) {
  for (const uint64_t bytes : {kSegmentBytes, kSegmentBytes * 4, kSegmentBytes / 2}) {
    set_segment_size(bytes);
    ReopenLog();
    const uint64_t full = FullPayload(bytes);
    for (int i = 0; i < 3; ++i) ASSERT_STATUS_OK(TryBytes(full).status);
    ASSERT_STATUS_OK(TryBytes(17).status);
    ExpectLogHoldsLedger();
  }
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(SegmentBoundaryTest, DescribedSegmentsAgreeWithTheRecords) {
  for (int i = 0; i < 30; ++i) Append(1 + i % 4, 3);
  for (int i = 0; i < 6; ++i) ASSERT_STATUS_OK(TryBytes(full_ / 2).status);
  MarkDeleted(2, ledger().Next(2) / 2);
  const RegionDescription description = log().Describe();
  SequenceNumber last = 0;
  uint64_t allocated = 0;
  std::map<TableId, SequenceNumber> first_live;
  std::map<TableId, SequenceNumber> last_live;
  for (const SegmentDescription& segment : description.segments) {
    SCOPED_TRACE(segment.file);
    EXPECT_LE(segment.used_bytes, segment.allocated_bytes);
    allocated += segment.allocated_bytes;
    if (segment.first == 0) continue;
    EXPECT_GT(segment.first, last);
    EXPECT_LE(segment.first, segment.last);
    last = segment.last;
    for (const SegmentTableRange& range : segment.tables) {
      EXPECT_GE(range.first, segment.first);
      EXPECT_LE(range.last, segment.last);
      first_live.emplace(range.table, range.first);
      last_live[range.table] = range.last;
    }
  }
  EXPECT_GE(description.allocated_bytes, allocated);
  for (const TableId table : ledger().Tables()) {
    EXPECT_EQ(first_live[table], ledger().Live(table).front().sequence) << table;
    EXPECT_EQ(last_live[table], ledger().Live(table).back().sequence) << table;
  }
}

}  // namespace
}  // namespace walden::testing
