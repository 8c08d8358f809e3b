// The keys of append times: when they are written, and when they go.
#include <vector>

#include "absl/time/time.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/wait.h"
#include "rocksdb/db.h"
#include "tests/support/random.h"
#include "tests/support/settable_wall_clock.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using rocks::AppendTime;
using rocks::KeyType;

class RocksdbTimesTest : public RocksdbTest {
 protected:
  void SetUp() override {
    wall_clock_ = &time_;
    RocksdbTest::SetUp();
    ASSERT_TRUE(Open(1).ok());
  }

  void AppendEvery(absl::Duration step, int times, TableId table = 7) {
    for (int i = 0; i < times; ++i) {
      time_.Advance(step);
      Append(table, "payload");
    }
  }

  void Mark(TableId table, SequenceNumber through) {
    const auto mark = MarkTableAndWait(*log_, table, through, std::nullopt);
    ASSERT_TRUE(mark.ok()) << mark.status();
  }

  // Closes the namespace and reads the keys of region 1.
  std::vector<AppendTime> StoredTimes() {
    EXPECT_TRUE(CloseAndWait(*log_).ok());
    Stop();
    rocksdb::Options options;
    options.env = env_.get();
    rocksdb::DB* opened = nullptr;
    EXPECT_TRUE(rocksdb::DB::OpenForReadOnly(options, "/data/default", &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    std::vector<AppendTime> times;
    const std::string end = rocks::MetaEnd(KeyType::kAppendTime, 1);
    for (at->Seek(rocks::MetaBegin(KeyType::kAppendTime, 1)); at->Valid(); at->Next()) {
      const absl::string_view key(at->key().data(), at->key().size());
      if (key >= end) break;
      const auto time = rocks::DecodeAppendTime(key, {at->value().data(), at->value().size()});
      EXPECT_TRUE(time.has_value());
      if (time) times.push_back(*time);
    }
    return times;
  }

  static std::vector<SequenceNumber> Numbers(const std::vector<AppendTime>& times) {
    std::vector<SequenceNumber> numbers;
    for (const AppendTime& time : times) numbers.push_back(time.first);
    return numbers;
  }

  void Reopen() {
    OpenEngine();
    ASSERT_TRUE(Open(1).ok());
  }

  SequenceNumber FirstSince(absl::Time time, TableId table = 7) {
    const auto first = log_->FirstSince(table, time);
    EXPECT_TRUE(first.ok()) << first.status();
    return first.value_or(0);
  }

  testing::SettableWallClock time_;
};

TEST_F(RocksdbTimesTest, ATableGetsAtMostOneKeyASecond) {
  const absl::Time start = time_.now();
  AppendEvery(absl::Milliseconds(100), 35);
  AppendEvery(absl::Seconds(5), 2);
  const std::vector<AppendTime> times = StoredTimes();
  EXPECT_EQ(Numbers(times), (std::vector<SequenceNumber>{1, 11, 21, 31, 36, 37}));
  ASSERT_EQ(times.size(), 6u);
  EXPECT_EQ(absl::FromUnixMicros(static_cast<int64_t>(times[1].unix_micros)),
            start + absl::Milliseconds(1100));
}

TEST_F(RocksdbTimesTest, ATimeInsideOfAStepBeginsAtTheStepAndALaterOneAfterIt) {
  const absl::Time start = time_.now();
  AppendEvery(absl::Milliseconds(100), 5);  // at 100 to 500 ms
  AppendEvery(absl::Seconds(60), 1);
  EXPECT_EQ(FirstSince(start + absl::Milliseconds(450)), 1u);
  EXPECT_EQ(FirstSince(start + absl::Milliseconds(1099)), 1u);
  EXPECT_EQ(FirstSince(start + absl::Milliseconds(1100)), 6u);
  EXPECT_EQ(FirstSince(start + absl::Minutes(5)), 7u);
}

TEST_F(RocksdbTimesTest, AMarkRemovesTheKeysThatItPasses) {
  AppendEvery(absl::Milliseconds(500), 20);  // keys at 1, 3, 5 ...
  Mark(7, 3);
  EXPECT_EQ(Numbers(StoredTimes()), (std::vector<SequenceNumber>{3, 5, 7, 9, 11, 13, 15, 17, 19}));
  Reopen();
  Mark(7, 12);
  EXPECT_EQ(Numbers(StoredTimes()), (std::vector<SequenceNumber>{13, 15, 17, 19}));
  Reopen();
  Mark(7, 20);
  EXPECT_EQ(Numbers(StoredTimes()), (std::vector<SequenceNumber>{19}));
}

TEST_F(RocksdbTimesTest, ATableThatIsEmptiedAgainAndAgainKeepsOneKey) {
  for (int i = 0; i < 10; ++i) {
    AppendEvery(absl::Seconds(2), 1);
    Mark(7, kMaxSequenceNumber);
  }
  AppendEvery(absl::Seconds(2), 1);
  EXPECT_EQ(Numbers(StoredTimes()), (std::vector<SequenceNumber>{11}));
}

TEST_F(RocksdbTimesTest, ADroppedRegionLeavesNoKey) {
  AppendEvery(absl::Seconds(2), 5);
  AppendEvery(absl::Seconds(2), 5, 8);
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_.reset();
  ASSERT_TRUE(DropRegionAndWait(*engine_, 1).value_or(false));
  ASSERT_TRUE(Open(1).ok());
  EXPECT_TRUE(StoredTimes().empty());
}

TEST_F(RocksdbTimesTest, TimesOfATableAreReadOnceAndNotOfItsNeighbour) {
  AppendEvery(absl::Seconds(2), 3, 7);
  const absl::Time between = time_.now() + absl::Seconds(1);
  AppendEvery(absl::Seconds(2), 3, 8);
  Reopen();
  EXPECT_EQ(FirstSince(between, 7), log_->Position(7).next);
  EXPECT_EQ(FirstSince(between, 8), log_->Position(8).first);
  EXPECT_EQ(FirstSince(absl::InfinitePast(), 8), log_->Position(8).first);
}

// Blocks that rot while the namespace is open.
TEST_F(RocksdbTimesTest, ARestoredTableThatBeginsWithDamageIsNotOlderThanItsDamage) {
  constexpr SequenceNumber kFirst = 101;
  testing::Random random(1);
  // The keys of append times, before all records, are in another block than table 7.
  for (int i = 0; i < 20; ++i) Append(5, random.NonZeroBytes(2000));
  ASSERT_TRUE(RestoreMarkAndWait(*log_, 7, kFirst - 1, TableKind::kLog).ok());
  std::vector<std::string> payloads;
  std::vector<absl::Time> times;
  for (int i = 0; i < 200; ++i) {
    time_.Advance(absl::Seconds(10));
    times.push_back(time_.now());
    payloads.push_back(random.NonZeroBytes(2000));
    const auto result = testing::CommitOne(
        *log_, {.table = 7, .payloads = {payloads.back()}, .first_sequence = kFirst + i});
    ASSERT_TRUE(result.status.ok()) << result.status;
  }
  // The first records are in a table file, and their log file is gone.
  const auto file_with = [&](const std::string& payload) {
    for (const std::string& file : Files(".sst")) {
      if (disk_.ReadWhole(file).find(payload) != std::string::npos) return file;
    }
    return std::string();
  };
  ASSERT_TRUE(Eventually([&] { return !file_with(payloads[2]).empty(); }));
  ASSERT_TRUE(testing::ReadTable(*log_, 7).ok()) << "which also empties the cache of blocks";
  for (const int i : {0, 2}) {
    const std::string file = file_with(payloads[i]);
    disk_.FlipBit(file, disk_.ReadWhole(file).find(payloads[i]) + 1000, 3);
  }
  ASSERT_TRUE(absl::IsDataLoss(testing::ReadTable(*log_, 7).status()));
  EXPECT_EQ(FirstSince(times[0] - absl::Seconds(5)), kFirst);
  EXPECT_EQ(FirstSince(times[0]), kFirst);
  EXPECT_EQ(FirstSince(times[2]), kFirst + 2) << "the damaged record itself";
  EXPECT_EQ(FirstSince(times[50]), kFirst + 50);
}

}  // namespace
}  // namespace walden
