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

TEST_F(AppendTimesTest, TimesThatNoClockHasAreTaken) {
  for (int i = 0; i < 100; ++i) {
    times_.Add(512 * i, static_cast<SequenceNumber>(i) + 1, i % 2 == 0 ? INT64_MIN : INT64_MAX);
  }
  EXPECT_TRUE(times_.AppendedBy(100).has_value());
}

}  // namespace
}  // namespace walden::segment
