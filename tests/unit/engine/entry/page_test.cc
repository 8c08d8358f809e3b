#include "engine/entry/page.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/entry/entry_codec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/random.h"

namespace walden::entry {
namespace {

using ::testing::ElementsAre;
using ::walden::testing::Random;

class PageTest : public ::testing::Test {
 protected:
  void Put(SequenceNumber sequence, const std::string& key, const std::string& value) {
    const EntryView entry{.key = key, .value = value};
    std::string payload(EncodedBytes(entry), '\0');
    Encode(entry, payload.data());
    payload_bytes_ += payload.size();
    page_.Insert(sequence, payload, Decode(payload)->key);
  }
  std::string Get(const std::string& key) {
    const Slot* const slot = page_.Newest(key);
    return slot == nullptr ? "(none)" : std::string(Decode(slot->payload())->value);
  }
  std::vector<std::string> Walk(Page::Iterator from) {
    std::vector<std::string> seen;
    for (auto at = from; at != page_.end(); ++at) {
      seen.push_back(absl::StrCat(at->key(), "@", at->sequence()));
    }
    return seen;
  }

  MemoryBudget budget_{uint64_t{1} << 40};
  Page page_{&budget_};
  uint64_t payload_bytes_ = 0;
};

TEST_F(PageTest, EntriesAreInKeyOrderAndTheNewestVersionComesFirst) {
  Put(1, "b", "1");
  Put(2, "a", "2");
  Put(3, "b", "3");
  Put(4, "aa", "4");
  EXPECT_THAT(Walk(page_.begin()), ElementsAre("a@2", "aa@4", "b@3", "b@1"));
  EXPECT_EQ(Get("b"), "3");
  EXPECT_EQ(Get("c"), "(none)");
  EXPECT_EQ(page_.entries(), 4u);
}

TEST_F(PageTest, KeysAreComparedAsUnsignedBytes) {
  Put(1, "\xff", "");
  Put(2, "a", "");
  Put(3, std::string("\0", 1), "");
  Put(4, std::string("\0\0", 2), "");
  EXPECT_THAT(Walk(page_.begin()),
              ElementsAre(std::string("\0@3", 3), std::string("\0\0@4", 4), "a@2", "\xff@1"));
}

TEST_F(PageTest, AWalkCanBeginAtAPositionOrBehindIt) {
  Put(1, "a", "");
  Put(2, "b", "");
  Put(3, "b", "");
  Put(4, "c", "");
  EXPECT_THAT(Walk(page_.From({"b", UINT64_MAX})), ElementsAre("b@3", "b@2", "c@4"));
  EXPECT_THAT(Walk(page_.From({"b", 2})), ElementsAre("b@2", "c@4"));
  EXPECT_THAT(Walk(page_.After({"b", 3})), ElementsAre("b@2", "c@4"));
  EXPECT_THAT(Walk(page_.After({"c", 4})), ElementsAre());
}

TEST_F(PageTest, BytesAreCountedAndChargedWhileThePageLives) {
  EXPECT_EQ(budget_.used(), page_.memory_bytes());
  Random random(1);
  for (int i = 1; i <= 20'000; ++i) {
    Put(i, absl::StrCat("key ", random.Below(5000)), random.NonZeroBytes(random.Below(100)));
    ASSERT_EQ(budget_.used(), page_.memory_bytes());
  }
  Put(30'000, "large", std::string(100'000, 'x'));
  EXPECT_EQ(budget_.used(), page_.memory_bytes());
  EXPECT_GT(page_.memory_bytes(), payload_bytes_ + 20'000 * sizeof(Slot));
  MemoryBudget other(1000);
  {
    const Page page(&other);
    EXPECT_GT(other.used(), 0u);
  }
  EXPECT_EQ(other.used(), 0u);
}

TEST_F(PageTest, NoBatchAddsMoreThanItsWorstCase) {
  Random random(2);
  SequenceNumber sequence = 0;
  for (int batch = 0; batch < 300; ++batch) {
    const size_t before = page_.memory_bytes();
    const uint64_t payload_before = payload_bytes_;
    const uint64_t entries = random.Between(1, 50);
    const uint64_t largest = uint64_t{1} << random.Between(1, 15);
    for (uint64_t i = 0; i < entries; ++i) {
      Put(++sequence, random.NonZeroBytes(random.Between(1, 30)),
          random.NonZeroBytes(random.Below(largest)));
    }
    ASSERT_LE(page_.memory_bytes() - before,
              Page::WorstCaseBytes(payload_bytes_ - payload_before, entries))
        << entries << " entries of up to " << largest;
  }
}

TEST_F(PageTest, SmallEntriesInOrderTakeLittleMoreThanTheirBytes) {
  for (int i = 0; i < 100'000; ++i) Put(i + 1, absl::StrCat("series:", 1'000'000 + i), "12345678");
  const double overhead = (page_.memory_bytes() - payload_bytes_) / 100'000.0;
  EXPECT_LT(overhead, 40) << "bytes beside the payload, for each entry";
  RecordProperty("overhead_bytes_in_order", absl::StrCat(overhead));
}

}  // namespace
}  // namespace walden::entry
