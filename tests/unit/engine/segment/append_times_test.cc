#include "engine/segment/append_times.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace walden::segment {
namespace {

constexpr int64_t kStart = 1'700'000'000'000'000;

// A segment's groups, one record each, numbered from 1.
class AppendTimesTest : public ::testing::Test {
 protected:
  void Append(int64_t unix_micros) {
    appended_.push_back(unix_micros);
    times_.Add(begin_, appended_.size(), unix_micros);
    begin_ += 512;
  }

  // How much later than its append a record may be said to be.
  int64_t MostLate() const {
    int64_t most = 0;
    for (size_t i = 0; i < appended_.size(); ++i) {
      const auto by = times_.AppendedBy(i + 1);
      EXPECT_TRUE(by.has_value());
      EXPECT_GE(*by, appended_[i]) << "record " << i + 1 << " is not that old";
      most = std::max(most, *by - appended_[i]);
    }
    return most;
  }
  int64_t Span() const { return appended_.back() - appended_.front(); }

  AppendTimes times_;
  uint64_t begin_ = 512;
  std::vector<int64_t> appended_;
};

TEST_F(AppendTimesTest, FewGroupsAreKnownExactly) {
  for (size_t i = 0; i < AppendTimes::kMaxEntries; ++i) {
    Append(kStart + static_cast<int64_t>(i) * 1'000'000);
  }
  EXPECT_EQ(MostLate(), 0);
}

TEST_F(AppendTimesTest, ManyGroupsAreKnownToAnEighthOfTheirTime) {
  uint64_t random = 1;
  int64_t at = kStart;
  for (int i = 0; i < 20'000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    at += static_cast<int64_t>((random >> 33) % 2'000);
    Append(at);
    if (i % 997 == 0) {
      EXPECT_LE(8 * MostLate(), Span());
    }
  }
  EXPECT_LE(8 * MostLate(), Span());
}

TEST_F(AppendTimesTest, APauseMakesNoRecordYounger) {
  for (int i = 0; i < 1000; ++i) Append(kStart + i);
  Append(kStart + int64_t{86'400'000'000});
  EXPECT_LE(MostLate(), 125);
}

TEST_F(AppendTimesTest, ARecordThatWasNotAddedHasNoTime) {
  EXPECT_FALSE(times_.AppendedBy(1).has_value());
  Append(kStart);
  EXPECT_TRUE(times_.AppendedBy(1).has_value());
  EXPECT_FALSE(times_.AppendedBy(2).has_value());
}

TEST_F(AppendTimesTest, NumbersThatWereAppendedBeforeATimeAreNeverLaterOnes) {
  EXPECT_EQ(times_.AppendedBefore(kStart), 0u);
  EXPECT_FALSE(times_.newest().has_value());
  for (int64_t i = 0; i < 1000; ++i) Append(kStart + 3 * i);
  EXPECT_EQ(times_.AppendedBefore(kStart), 0u);
  for (int64_t at = -1; at < 3000; ++at) {
    const SequenceNumber before = times_.AppendedBefore(kStart + at);
    EXPECT_TRUE(before == 0 || appended_[before - 1] < kStart + at) << at;
  }
  EXPECT_EQ(times_.AppendedBefore(appended_.back() + 1), 1000u);
  EXPECT_EQ(times_.newest(), appended_.back());
}

TEST_F(AppendTimesTest, ThePlaceBeforeATimeIsAtMostAStepBeforeItsGroup) {
  constexpr uint64_t kGroupBytes = 100 << 10;
  for (uint64_t i = 0; i < 200; ++i) {
    times_.Add(512 + i * kGroupBytes, i + 1, kStart + static_cast<int64_t>(i / 2));
  }
  for (uint64_t i = 0; i < 200; i += 2) {
    const uint64_t begin = 512 + i * kGroupBytes;  // the first of two groups of a time
    const uint64_t place = times_.PlaceBefore(kStart + static_cast<int64_t>(i / 2));
    EXPECT_LE(place, begin);
    EXPECT_LE(begin - place, AppendTimes::kPlaceStepBytes + 2 * kGroupBytes);
    EXPECT_EQ((place - 512) % kGroupBytes, 0u);
  }
}

TEST_F(AppendTimesTest, TimesThatNoClockHasAreTaken) {
  for (int i = 0; i < 100; ++i) {
    times_.Add(512 * i, static_cast<SequenceNumber>(i) + 1, i % 2 == 0 ? INT64_MIN : INT64_MAX);
  }
  EXPECT_TRUE(times_.AppendedBy(100).has_value());
}

}  // namespace
}  // namespace walden::segment
