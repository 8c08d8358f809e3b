// The search for where the last records of a table begin, against a list of them.
#include "server/read/last_records.h"
#include "engine/wait.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/random.h"
#include "tests/unit/server/memory_engine.h"

namespace walden {
namespace {

constexpr TableId kTable = 5;

class LastRecordsTest : public ::testing::Test {
 protected:
  LastRecordsTest()
      : log_(*OpenRegionAndWait(engine_, 1, {}, /*create=*/true)), region_(engine_.Region(1)) {}

  // Adds a record with this number, which is higher than the last one's.
  void Add(SequenceNumber number) {
    absl::MutexLock lock(&region_->mutex);
    region_->records.push_back({.table = kTable, .sequence = number});
    region_->tables[kTable].next = number + 1;
    numbers_.push_back(number);
  }

  void Mark(SequenceNumber through) {
    ASSERT_TRUE(MarkTableAndWait(*log_, kTable, through, std::nullopt).ok());
    std::erase_if(numbers_, [through](SequenceNumber number) { return number <= through; });
  }

  LastRecordsSearch Search(uint64_t count) const {
    return {log_, kTable, log_->Position(kTable), count};
  }

  static SequenceNumber Finish(LastRecordsSearch search) {
    for (;;) {
      const auto found = search.Step();
      EXPECT_TRUE(found.ok()) << found.status();
      if (!found.ok()) return 0;
      if (found->has_value()) return **found;
    }
  }

  // How many of the live records are at this number or behind it.
  uint64_t CountFrom(SequenceNumber number) const {
    return std::count_if(numbers_.begin(), numbers_.end(),
                         [number](SequenceNumber live) { return live >= number; });
  }

  MemoryEngine engine_;
  const std::shared_ptr<RegionLog> log_;
  const std::shared_ptr<MemoryRegion> region_;
  std::vector<SequenceNumber> numbers_;  // of live records
};

TEST_F(LastRecordsTest, ATableWithoutRecordsHasItsLastOneAtItsEnd) {
  EXPECT_EQ(Finish(Search(3)), 1u);
  Add(1);
  Add(2);
  Mark(2);
  EXPECT_EQ(Finish(Search(3)), 3u);
}

// Far more records than a search remembers numbers.
TEST_F(LastRecordsTest, ManyRecordsWithAndWithoutGapsAreCountedExactly) {
  testing::Random random(7);
  SequenceNumber number = 0;
  for (int i = 0; i < 60'000; ++i) {
    const bool is_sparse = i / 10'000 % 2 == 1;
    number += is_sparse ? 1 + random.Below(40) : 1;
    Add(number);
  }
  for (const uint64_t count :
       {1u, 2u, 4095u, 4096u, 4097u, 8191u, 12'345u, 33'333u, 59'999u, 60'000u}) {
    SCOPED_TRACE(count);
    EXPECT_EQ(CountFrom(Finish(Search(count))), count);
  }
  EXPECT_EQ(CountFrom(Finish(Search(60'001))), 60'000u);
  EXPECT_EQ(CountFrom(Finish(Search(1'000'000))), 60'000u);
}

TEST_F(LastRecordsTest, RecordsThatAreDeletedMeanwhileHideNoneOfTheOthers) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    testing::Random random(seed);
    {
      absl::MutexLock lock(&region_->mutex);
      region_->records.clear();
      region_->tables.clear();
      numbers_.clear();
    }
    SequenceNumber number = 0;
    for (int i = 0; i < 30'000; ++i) Add(number += 1 + random.Below(3));
    const uint64_t count = 1 + random.Below(25'000);
    SequenceNumber mark = 0;
    LastRecordsSearch search = Search(count);
    std::optional<SequenceNumber> first;
    while (!first.has_value()) {
      const auto found = search.Step();
      ASSERT_TRUE(found.ok()) << found.status();
      first = *found;
      Mark(mark = std::min(number, mark + random.Below(number / 10)));
    }
    EXPECT_EQ(CountFrom(*first), std::min<uint64_t>(count, numbers_.size()));
  }
}

TEST_F(LastRecordsTest, WhatIsAppendedMeanwhileIsNotCounted) {
  for (SequenceNumber number = 1; number <= 10'000; ++number) Add(number);
  LastRecordsSearch search = Search(6'000);
  ASSERT_TRUE(search.Step().ok());
  for (SequenceNumber number = 10'001; number <= 20'000; ++number) Add(number);
  EXPECT_EQ(Finish(std::move(search)), 4'001u);
}

TEST_F(LastRecordsTest, DamageThatHidesHowManyThereAreIsAnError) {
  for (SequenceNumber number = 1; number <= 100; ++number) Add(number);
  {
    absl::MutexLock lock(&region_->mutex);
    region_->damaged_at = 90;
  }
  EXPECT_EQ(Finish(Search(5)), 96u);
  EXPECT_TRUE(absl::IsDataLoss(Search(20).Step().status()));
}

}  // namespace
}  // namespace walden
