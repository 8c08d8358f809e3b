// Readers whose records are marked deleted: none is shown fewer records than there are with an OK.
#include <atomic>
#include <thread>

#include "base/error.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class DeletedReadTest : public LogTest {
 protected:
  // 24 records of table 1 with a record of table 2 after each two.
  void FillTwoTables() {
    for (int i = 0; i < 12; ++i) {
      Append(1, 2);
      Append(2, 1);
    }
  }

  SequenceNumber Nth(TableId table, size_t n) { return ledger().Live(table)[n].sequence; }

  std::unique_ptr<LogReader> Reader(const ReadRange& range) {
    auto reader = log().NewReader(range);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }

  // Reads to the end.
  static absl::Status ReadOut(LogReader& reader, std::vector<StoredRecord>& records,
                              int* skips = nullptr) {
    while (true) {
      const auto progress = NextInto(reader, {}, records);
      if (!progress.ok()) return progress.status();
      if (*progress == ReadProgress::kSkipped && skips != nullptr) {
        ++*skips;
      } else if (*progress != ReadProgress::kMore) {
        return absl::OkStatus();
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, DeletedReadTest, ::testing::ValuesIn(AllSettings()), SettingName);

// Fault files are for one thread at a time.
class DeletedReadThreadsTest : public DeletedReadTest {};
INSTANTIATE_TEST_SUITE_P(Engines, DeletedReadThreadsTest, ::testing::ValuesIn(ThreadSettings()),
                         SettingName);

TEST_P(DeletedReadTest, AReadFromADeletedNumberNamesTheFirstOneThatIsLeft) {
  FillTwoTables();
  const SequenceNumber left = Nth(1, 10);
  MarkDeleted(1, Nth(1, 9));
  for (const SequenceNumber first : {SequenceNumber{1}, ledger().Mark(1)}) {
    for (const SequenceNumber last : {first, ledger().Mark(1), kMaxSequenceNumber}) {
      const absl::Status status = ReadAll(log(), ReadRange{1, first, last}).status();
      EXPECT_ERROR(status, kOutOfRange, kRecordsGone);
      EXPECT_EQ(ErrorValue(status, "first_sequence"), std::to_string(left));
    }
  }
  MarkDeleted(1, kMaxSequenceNumber);
  const absl::Status status = ReadAll(log(), ReadRange{1, 1}).status();
  EXPECT_ERROR(status, kOutOfRange, kRecordsGone);
  EXPECT_EQ(ErrorValue(status, "first_sequence"), std::to_string(ledger().Next(1)));
  const auto rest = ReadAll(log(), ReadRange{1});
  ASSERT_STATUS_OK(rest.status());
  EXPECT_TRUE(rest->empty());
}

TEST_P(DeletedReadTest, AReaderWhoseNextRecordsAreDeletedIsToldAndGetsNothingBehindThem) {
  FillTwoTables();
  const auto reader = Reader(ReadRange{1});
  std::vector<StoredRecord> records;
  ASSERT_STATUS_OK(NextInto(*reader, {.max_records = 5}, records).status());
  const SequenceNumber left = Nth(1, 12);
  MarkDeleted(1, Nth(1, 11));
  for (int again = 0; again < 2; ++again) {
    const absl::Status status = ReadOut(*reader, records);
    EXPECT_ERROR(status, kOutOfRange, kRecordsGone);
    EXPECT_EQ(ErrorValue(status, "first_sequence"), std::to_string(left));
    EXPECT_EQ(records.size(), 5u);
  }
}

TEST_P(DeletedReadTest, AReaderThatSkipsIsToldWhereRecordsWereSkipped) {
  FillTwoTables();
  const auto reader = Reader(ReadRange{.table = 1, .first = 1, .skip_deleted = true});
  std::vector<StoredRecord> records;
  ASSERT_STATUS_OK(NextInto(*reader, {.max_records = 5}, records).status());
  MarkDeleted(1, Nth(1, 11));
  const size_t before = records.size();
  const auto skipped = NextInto(*reader, {}, records);
  ASSERT_STATUS_OK(skipped.status());
  EXPECT_EQ(*skipped, ReadProgress::kSkipped);
  EXPECT_EQ(records.size(), before);
  records.clear();
  int skips = 0;
  ASSERT_STATUS_OK(ReadOut(*reader, records, &skips));
  EXPECT_EQ(records, ledger().Live(1));
  EXPECT_EQ(skips, 0);
}

TEST_P(DeletedReadTest, AMarkBehindAReaderChangesNothing) {
  FillTwoTables();
  const std::vector<StoredRecord> all = ledger().Live(1);
  const auto reader = Reader(ReadRange{1});
  std::vector<StoredRecord> records;
  ASSERT_STATUS_OK(NextInto(*reader, {.max_records = 8}, records).status());
  MarkDeleted(1, records.back().sequence);
  ASSERT_STATUS_OK(ReadOut(*reader, records));
  EXPECT_EQ(records, all);
  MarkDeleted(1, kMaxSequenceNumber);  // behind a reader at the end
  Append(2, 1);
  Append(1, 2);
  records.clear();
  ASSERT_STATUS_OK(ReadOut(*reader, records));
  EXPECT_EQ(records, ledger().Live(1));
}

TEST_P(DeletedReadTest, AReaderAtTheEndThatIsOutrunIsTold) {
  FillTwoTables();
  const auto reader = Reader(ReadRange{1});
  std::vector<StoredRecord> records;
  ASSERT_STATUS_OK(ReadOut(*reader, records));
  Append(1, 4);
  MarkDeleted(1, Nth(1, ledger().Live(1).size() - 2));
  EXPECT_ERROR(ReadOut(*reader, records), kOutOfRange, kRecordsGone);
}

TEST_P(DeletedReadTest, AReaderOfAllTablesGetsWhatWasLiveAtItsStartOrIsTold) {
  FillTwoTables();
  MarkDeleted(2, Nth(2, 3));
  std::map<TableId, std::vector<StoredRecord>> live;
  for (const TableId table : {1, 2}) live[table] = ledger().Live(table);
  for (const size_t read_before : {size_t{1}, size_t{7}, size_t{1000}}) {
    SCOPED_TRACE(read_before);
    for (const TableId table : {1, 2}) live[table] = ledger().Live(table);
    const auto reader = Reader(ReadRange{});
    std::vector<StoredRecord> records;
    ASSERT_STATUS_OK(NextInto(*reader, {.max_records = read_before}, records).status());
    MarkDeleted(1, Nth(1, 3));
    MarkDeleted(2, kMaxSequenceNumber);
    const absl::Status status = ReadOut(*reader, records);
    std::map<TableId, std::vector<StoredRecord>> read;
    for (const StoredRecord& record : records) read[record.table].push_back(record);
    if (status.ok()) {
      EXPECT_EQ(read, live);
    } else {
      EXPECT_ERROR(status, kOutOfRange, kRecordsGone);
      EXPECT_LT(read_before, 1000u);
    }
    Append(2, 3);
  }
}

TEST_P(DeletedReadTest, AReaderThatEndsHereDoesNotVisitWhatIsAppendedLater) {
  FillTwoTables();
  for (const std::optional<TableId> table : {std::optional<TableId>(1), std::optional<TableId>()}) {
    const auto reader = Reader(ReadRange{table});
    reader->EndHere();
    std::vector<StoredRecord> expected = ledger().Live(1);
    if (!table) {
      const auto everything = ReadAll(log(), ReadRange{});
      ASSERT_STATUS_OK(everything.status());
      expected = *everything;
    }
    Append(1, 3);
    Append(2, 1);
    Append(3, 1);
    std::vector<StoredRecord> records;
    ASSERT_STATUS_OK(ReadOut(*reader, records));
    EXPECT_EQ(records, expected);
  }
}

// Marks fall between a reader's look-up and its read, at all points where threads can be.
TEST_P(DeletedReadThreadsTest, AReaderBesideMarksNeverJumps) {
  std::atomic<bool> done{false};
  std::atomic<int> jumps{0};
  std::atomic<int> reads{0};
  std::thread beside([&] {
    while (!done) {
      const auto reader = log().NewReader(ReadRange{1});
      SequenceNumber expected = 0;
      absl::StatusOr<ReadProgress> progress = ReadProgress::kMore;
      while (progress.ok() && *progress == ReadProgress::kMore) {
        progress = (*reader)->Next({.max_records = 3}, [&](const RecordView& record) {
          if (expected != 0 && record.sequence != expected) ++jumps;
          expected = record.sequence + 1;
          ++reads;
        });
      }
      if (!progress.ok() && !HasReason(progress.status(), ErrorReason::kRecordsGone)) ++jumps;
    }
  });
  for (int i = 0; i < 300; ++i) {
    Append(1, 8, Durability::kBuffered);
    MarkDeleted(1, ledger().Next(1) - 3);
  }
  done = true;
  beside.join();
  EXPECT_EQ(jumps, 0);
}

}  // namespace
}  // namespace walden::testing
