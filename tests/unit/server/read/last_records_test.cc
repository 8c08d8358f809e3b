// The search for where the last records of a table begin, against a list of them.
#include "server/read/last_records.h"
#include "engine/wait.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/memory_engine/memory_engine.h"
#include "tests/support/random.h"

namespace walden {
namespace {

constexpr TableId kTable = 5;

class LastRecordsTest : public ::testing::Test {
 protected:
  LastRecordsTest() { Begin(); }

  // With an empty region.
  void Begin() {
    numbers_.clear();
    log_ = *OpenRegionAndWait(engine_, ++region_id_, {}, /*create=*/true);
    region_ = engine_.Region(region_id_);
  }

  // Adds records with these numbers, which rise from the last one's.
  void Add(const std::vector<SequenceNumber>& numbers) {
    region_->AddRecords(kTable, numbers);
    numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
  }

  void AddRange(SequenceNumber first, SequenceNumber last) {
    std::vector<SequenceNumber> numbers(last - first + 1);
    std::iota(numbers.begin(), numbers.end(), first);
    Add(numbers);
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
  RegionId region_id_ = 0;
  std::shared_ptr<RegionLog> log_;
  std::shared_ptr<MemoryRegion> region_;
  std::vector<SequenceNumber> numbers_;  // of live records
};

TEST_F(LastRecordsTest, ATableWithoutRecordsHasItsLastOneAtItsEnd) {
  EXPECT_EQ(Finish(Search(3)), 1u);
  Add({1, 2});
  Mark(2);
  EXPECT_EQ(Finish(Search(3)), 3u);
}

// Far more records than a search remembers numbers.
TEST_F(LastRecordsTest, ManyRecordsWithAndWithoutGapsAreCountedExactly) {
  testing::Random random(7);
  std::vector<SequenceNumber> numbers;
  SequenceNumber number = 0;
  for (int i = 0; i < 60'000; ++i) {
    const bool is_sparse = i / 10'000 % 2 == 1;
    numbers.push_back(number += is_sparse ? 1 + random.Below(40) : 1);
  }
  Add(numbers);
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
    Begin();
    std::vector<SequenceNumber> numbers;
    SequenceNumber number = 0;
    for (int i = 0; i < 30'000; ++i) numbers.push_back(number += 1 + random.Below(3));
    Add(numbers);
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
  AddRange(1, 10'000);
  LastRecordsSearch search = Search(6'000);
  ASSERT_TRUE(search.Step().ok());
  AddRange(10'001, 20'000);
  EXPECT_EQ(Finish(std::move(search)), 4'001u);
}

TEST_F(LastRecordsTest, DamageThatHidesHowManyThereAreIsAnError) {
  AddRange(1, 100);
  region_->SetDamagedAt(90);
  EXPECT_EQ(Finish(Search(5)), 96u);
  EXPECT_TRUE(absl::IsDataLoss(Search(20).Step().status()));
}

}  // namespace
}  // namespace walden
