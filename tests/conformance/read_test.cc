// Reading: bounds, limits, following, readers beside writers.
#include <atomic>
#include <thread>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class ReadTest : public LogTest {
 protected:
  // Two tables that take turns, so that each has gaps.
  void FillTwoTables() {
    for (int i = 0; i < 12; ++i) {
      Append(1, 1 + i % 3);
      Append(2, 1 + i % 2);
    }
  }

  std::vector<StoredRecord> Expected(TableId table, SequenceNumber first, SequenceNumber last) {
    std::vector<StoredRecord> records;
    for (const StoredRecord& record : ledger().Live(table)) {
      if (record.sequence >= first && record.sequence <= last) records.push_back(record);
    }
    return records;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, ReadTest, ::testing::ValuesIn(AllSettings()), SettingName);

TEST_P(ReadTest, EveryPairOfBoundsReturnsExactlyTheRecordsBetweenThem) {
  FillTwoTables();
  MarkDeleted(1, 4);
  const SequenceNumber end = ledger().Next(1) + 3;
  for (SequenceNumber first = 1; first <= end; ++first) {
    for (SequenceNumber last = first; last <= end; ++last) {
      ReadRange range{1, first, last};
      const auto records = ReadAll(log(), range);
      if (first <= 4) {
        EXPECT_ERROR(records.status(), kOutOfRange, kRecordsGone);
        continue;
      }
      ASSERT_TRUE(records.ok()) << records.status();
      ASSERT_EQ(*records, Expected(1, first, last)) << first << " to " << last;
    }
    if (first <= 4) continue;
    const auto unbounded = ReadAll(log(), ReadRange{1, first, kMaxSequenceNumber});
    ASSERT_TRUE(unbounded.ok());
    ASSERT_EQ(*unbounded, Expected(1, first, kMaxSequenceNumber)) << "from " << first;
  }
}

TEST_P(ReadTest, BoundsApplyToReadsOfAllTables) {
  FillTwoTables();
  const auto all = ReadAll(log(), ReadRange{std::nullopt, 5, 14});
  ASSERT_TRUE(all.ok()) << all.status();
  for (const TableId table : {1, 2}) {
    std::vector<StoredRecord> of_table;
    for (const StoredRecord& record : *all) {
      if (record.table == table) of_table.push_back(record);
    }
    EXPECT_EQ(of_table, Expected(table, 5, 14));
  }
}

TEST_P(ReadTest, RecordLimitsBelowEqualToAndAboveTheDataReturnAllOfItInPieces) {
  FillTwoTables();
  const size_t count = ledger().Live(1).size();
  for (const size_t limit : {size_t{1}, size_t{2}, count - 1, count, count + 1, size_t{1000}}) {
    auto reader = log().NewReader(ReadRange{1});
    ASSERT_TRUE(reader.ok());
    ReadLimits limits;
    limits.max_records = limit;
    std::vector<StoredRecord> records;
    while (true) {
      const size_t before = records.size();
      const auto progress = NextInto(**reader, limits, records);
      ASSERT_TRUE(progress.ok()) << progress.status();
      ASSERT_LE(records.size() - before, limit);
      if (*progress != ReadProgress::kMore) break;
      ASSERT_EQ(records.size() - before, limit);
    }
    EXPECT_EQ(records, ledger().Live(1)) << "limit " << limit;
  }
}

TEST_P(ReadTest, TheRecordThatReachesTheByteLimitIsStillReturned) {
  FillTwoTables();
  uint64_t bytes = 0;
  for (const StoredRecord& record : ledger().Live(1)) bytes += record.payload.size();
  for (const size_t limit : {uint64_t{1}, bytes / 3, bytes - 1, bytes, bytes + 1}) {
    auto reader = log().NewReader(ReadRange{1});
    ASSERT_TRUE(reader.ok());
    ReadLimits limits;
    limits.max_payload_bytes = limit;
    std::vector<StoredRecord> records;
    while (true) {
      const size_t before = records.size();
      const auto progress = NextInto(**reader, limits, records);
      ASSERT_TRUE(progress.ok()) << progress.status();
      uint64_t before_last = 0;
      for (size_t i = before; i + 1 < records.size(); ++i) before_last += records[i].payload.size();
      ASSERT_LT(before_last, limit) << "went on after the limit was reached";
      if (*progress != ReadProgress::kMore) break;
      ASSERT_GT(records.size(), before) << "no progress";
    }
    EXPECT_EQ(records, ledger().Live(1)) << "limit " << limit;
  }
}

TEST_P(ReadTest, ARecordThatIsTooLargeIsToldAndNotPassedBy) {
  FillTwoTables();
  for (const std::optional<TableId> table : {std::optional<TableId>(1), std::optional<TableId>()}) {
    const auto expected = ReadAll(log(), ReadRange{table});
    ASSERT_TRUE(expected.ok()) << expected.status();
    auto reader = log().NewReader(ReadRange{table});
    ASSERT_TRUE(reader.ok());
    ReadLimits limits;
    limits.max_record_bytes = 0;
    std::vector<StoredRecord> records;
    bool grew = false;
    while (true) {
      const auto progress = NextInto(**reader, limits, records);
      ASSERT_TRUE(progress.ok()) << progress.status();
      if (*progress != ReadProgress::kTooLarge) break;
      ASSERT_LT(records.size(), expected->size());
      ASSERT_EQ((*reader)->too_large_bytes(), (*expected)[records.size()].payload.size());
      ASSERT_GT((*reader)->too_large_bytes(), limits.max_record_bytes);
      limits.max_record_bytes = (*reader)->too_large_bytes();
      grew = true;
    }
    EXPECT_TRUE(grew);
    EXPECT_EQ(records, *expected);
  }
}

TEST_P(ReadTest, AReadThatPassedItsLastNumberIsFinished) {
  FillTwoTables();
  const SequenceNumber last = ledger().Live(1).back().sequence;
  auto reader = log().NewReader(ReadRange{1, 1, last});
  ASSERT_TRUE(reader.ok());
  std::vector<StoredRecord> records;
  EXPECT_EQ(*NextInto(**reader, {}, records), ReadProgress::kFinished);
  EXPECT_EQ(records, ledger().Live(1));
  records.clear();
  EXPECT_EQ(*NextInto(**reader, {}, records), ReadProgress::kFinished);
  EXPECT_TRUE(records.empty());
}

TEST_P(ReadTest, AReaderAtTheEndReturnsWhatComesLater) {
  auto reader = log().NewReader(ReadRange{1});
  ASSERT_TRUE(reader.ok());
  std::vector<StoredRecord> records;
  EXPECT_EQ(*NextInto(**reader, {}, records), ReadProgress::kAtEnd) << "of an unknown table";
  for (int i = 0; i < 20; ++i) {
    Append(2, 1);
    Append(1, 1 + i % 3);
    while (true) {
      const auto progress = NextInto(**reader, {}, records);
      ASSERT_TRUE(progress.ok()) << progress.status();
      if (*progress == ReadProgress::kAtEnd) break;
    }
    ASSERT_EQ(records, ledger().Live(1));
  }
}

TEST_P(ReadTest, ABoundedReaderWaitsForItsLastNumberAndThenFinishes) {
  Append(1, 2);
  auto reader = log().NewReader(ReadRange{1, 2, 4});
  ASSERT_TRUE(reader.ok());
  std::vector<StoredRecord> records;
  EXPECT_EQ(*NextInto(**reader, {}, records), ReadProgress::kAtEnd);
  Append(1, 5);
  EXPECT_EQ(*NextInto(**reader, {}, records), ReadProgress::kFinished);
  EXPECT_EQ(records, Expected(1, 2, 4));
}

TEST_P(ReadTest, AReaderOutlivesItsRegion) {
  FillTwoTables();
  auto reader = log().NewReader(ReadRange{1});
  ASSERT_TRUE(reader.ok());
  ReadLimits limits;
  limits.max_records = 3;
  std::vector<StoredRecord> records;
  ASSERT_EQ(*NextInto(**reader, limits, records), ReadProgress::kMore);
  CloseLog();
  while (true) {
    const auto progress = NextInto(**reader, limits, records);
    ASSERT_TRUE(progress.ok()) << progress.status();
    if (*progress != ReadProgress::kMore) break;
  }
  EXPECT_EQ(records, ledger().Live(1));
}

TEST_P(ReadTest, ReadingAnUnknownTableIsEmptyAndCreatesNothing) {
  Append(1, 2);
  const auto files = FilesOnDisk();
  const auto records = ReadTable(log(), 99);
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_TRUE(records->empty());
  const TablePosition position = log().Position(99);
  EXPECT_EQ(position.first, 1u);
  EXPECT_EQ(position.next, 1u);
  EXPECT_EQ(position.deleted_through, 0u);
  EXPECT_EQ(log().Describe().tables.size(), 1u);
  EXPECT_EQ(FilesOnDisk(), files);
  RestartEngine();
  EXPECT_EQ(log().Describe().tables.size(), 1u);
}

TEST_P(ReadTest, OpeningAnUnknownRegionWithoutCreateIsNotFoundAndCreatesNothing) {
  const auto files = FilesOnDisk();
  const auto region = OpenOwned(engine(), 99, options(), /*create=*/false);
  EXPECT_ERROR(region.status(), kNotFound, kRegionNotFound);
  EXPECT_EQ(FilesOnDisk(), files);
  const auto regions = engine().ListRegions();
  ASSERT_TRUE(regions.ok()) << regions.status();
  EXPECT_EQ(*regions, std::vector<RegionId>{kRegion});
}

TEST_P(ReadTest, ReadersBesideAWriterSeeWholeAnsweredBatchesInOrder) {
  constexpr int kBatches = 300;
  constexpr size_t kPerBatch = 3;
  std::vector<std::vector<std::string>> batches;
  for (int i = 0; i < kBatches; ++i) batches.push_back(Payloads(kPerBatch));
  std::atomic<SequenceNumber> answered{0};
  std::atomic<bool> stop{false};

  const auto follow = [&](TableId table, size_t expected_records) {
    auto reader = log().NewReader(ReadRange{table});
    ASSERT_TRUE(reader.ok());
    std::vector<StoredRecord> records;
    while (records.size() < expected_records && !stop) {
      const SequenceNumber visible_before = answered.load();
      const auto progress = NextInto(**reader, {}, records);
      ASSERT_TRUE(progress.ok()) << progress.status();
      if (*progress == ReadProgress::kAtEnd && visible_before > 0 && table == 1) {
        ASSERT_GE(records.empty() ? 0 : records.back().sequence, visible_before);
        ASSERT_EQ(records.size() % kPerBatch, 0u) << "a part of a batch was visible";
      }
      std::this_thread::yield();
    }
    for (size_t i = 0; i < records.size(); ++i) {
      ASSERT_EQ(records[i].payload, batches[(i / kPerBatch)][i % kPerBatch]);
    }
  };
  std::thread follower([&] { follow(1, kBatches * kPerBatch); });
  std::thread watcher([&] {
    SequenceNumber next = 1;
    while (!stop) {
      const TablePosition position = log().Position(1);
      EXPECT_GE(position.next, next);
      next = position.next;
      EXPECT_TRUE(log().Health().ok());
      (void)log().HasUnsynced();
      (void)log().Describe();
      const auto records = ReadAll(log(), ReadRange{1, next > 4 ? next - 4 : 1, next});
      EXPECT_TRUE(records.ok()) << records.status();
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < kBatches; ++i) {
    Batch batch;
    batch.payloads = batches[i];
    batch.durability = i % 4 == 0 ? Durability::kSync : Durability::kBuffered;
    const BatchResult result = Try(batch);
    EXPECT_TRUE(result.status.ok()) << result.status;
    if (!result.status.ok()) break;
    answered = result.last;
  }
  if (HasFailure()) stop = true;
  follower.join();
  stop = true;
  watcher.join();
  ExpectLogHoldsLedger();
}

TEST_P(ReadTest, ReadersBesideDeletionNeverSeeWrongBytes) {
  std::atomic<bool> stop{false};
  std::thread reading([&] {
    while (!stop) {
      const auto records = ReadTable(log(), 1);
      if (HasReason(records.status(), ErrorReason::kRecordsGone)) continue;
      EXPECT_TRUE(records.ok()) << records.status();
      if (!records.ok()) return;
      for (size_t i = 1; i < records->size(); ++i) {
        EXPECT_GT((*records)[i].sequence, (*records)[i - 1].sequence);
      }
    }
  });
  for (int i = 0; i < 150; ++i) {
    const BatchResult result = Append(1, 4, Durability::kBuffered);
    if (i % 5 == 4) MarkDeleted(1, result.last - 6);
  }
  stop = true;
  reading.join();
  ExpectLogHoldsLedger();
}

}  // namespace
}  // namespace walden::testing
