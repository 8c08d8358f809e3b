#include "cli/client/latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace walden::cli {
namespace {

TEST(LatencyHistogram, NothingRecordedIsZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.Percentile(50), absl::ZeroDuration());
  EXPECT_EQ(histogram.Max(), absl::ZeroDuration());
  EXPECT_EQ(histogram.Mean(), absl::ZeroDuration());
}

TEST(LatencyHistogram, SmallValuesAreExactByNearestRank) {
  LatencyHistogram histogram;
  for (int nanos = 1; nanos <= 100; ++nanos) histogram.Record(absl::Nanoseconds(nanos));
  EXPECT_EQ(histogram.Percentile(50), absl::Nanoseconds(50));
  EXPECT_EQ(histogram.Percentile(99), absl::Nanoseconds(99));
  EXPECT_EQ(histogram.Percentile(99.9), absl::Nanoseconds(100));
  EXPECT_EQ(histogram.Percentile(0.001), absl::Nanoseconds(1));
  EXPECT_EQ(histogram.Percentile(100), absl::Nanoseconds(100));
}

TEST(LatencyHistogram, PercentilesOfAnyMagnitudeAreAtMostOneSixtyFourthTooHigh) {
  std::mt19937_64 random(1);
  std::vector<int64_t> values;
  LatencyHistogram histogram;
  for (int i = 0; i < 20000; ++i) {
    values.push_back(static_cast<int64_t>(random() >> (1 + random() % 63)));
    histogram.Record(absl::Nanoseconds(values.back()));
  }
  std::sort(values.begin(), values.end());
  for (const double percentile : {1.0, 10.0, 50.0, 90.0, 99.0, 99.9}) {
    const auto rank = static_cast<size_t>(std::ceil(percentile / 100 * 20000));
    const int64_t exact = values[rank - 1];
    const int64_t told = absl::ToInt64Nanoseconds(histogram.Percentile(percentile));
    EXPECT_GE(told, exact) << percentile;
    EXPECT_LE(told - exact, exact / 64) << percentile;
  }
  EXPECT_EQ(absl::ToInt64Nanoseconds(histogram.Max()), values.back());
}

TEST(LatencyHistogram, ExtremesAndNegativeTimesStayInside) {
  LatencyHistogram histogram;
  histogram.Record(absl::InfiniteDuration());
  histogram.Record(-absl::Seconds(1));
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.Percentile(50), absl::ZeroDuration());
  EXPECT_EQ(histogram.Percentile(100), absl::Nanoseconds(INT64_MAX));
}

TEST(LatencyHistogram, MergingEqualsRecordingIntoOne) {
  LatencyHistogram one, other, both;
  for (int i = 1; i <= 1000; ++i) {
    const absl::Duration latency = absl::Microseconds(i * i);
    (i % 2 == 0 ? one : other).Record(latency);
    both.Record(latency);
  }
  one.Merge(other);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.Max(), both.Max());
  EXPECT_EQ(one.Mean(), both.Mean());
  for (const double p : {50.0, 90.0, 99.0}) EXPECT_EQ(one.Percentile(p), both.Percentile(p));
}

}  // namespace
}  // namespace walden::cli
