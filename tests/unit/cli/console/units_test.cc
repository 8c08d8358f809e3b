#include "cli/console/units.h"

#include "gtest/gtest.h"

namespace walden::cli {
namespace {

TEST(Units, ANumberIsDecimalDigitsAndNothingElse) {
  EXPECT_EQ(ParseNumber("0"), 0u);
  EXPECT_EQ(ParseNumber("010"), 10u);
  EXPECT_EQ(ParseNumber("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "-1", "+1", "0x10", " 1", "1 ", "18446744073709551616", "1e3"}) {
    EXPECT_EQ(ParseNumber(bad), std::nullopt) << bad;
  }
}

TEST(Units, ADurationHasAUnitAndIsNotNegative) {
  EXPECT_EQ(ParseDuration("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(ParseDuration("1m30s"), absl::Seconds(90));
  EXPECT_EQ(ParseDuration("7d"), absl::Hours(7 * 24));
  EXPECT_EQ(ParseDuration("1d12h"), absl::Hours(36));
  for (const char* bad : {"", "10", "-1s", "soon", "d", "-1d", "1d-1h"})
    EXPECT_EQ(ParseDuration(bad), std::nullopt);
}

TEST(Units, ATimeHasItsZoneAndIsPrintedInUtc) {
  const auto time = ParseTime("2026-11-30T16:04:05.5+01:00");
  ASSERT_TRUE(time.has_value());
  EXPECT_EQ(FormatMoment(*time), "2026-11-30T15:04:05.5Z");
  EXPECT_EQ(ParseTime("2026-11-30T15:04:05.500Z"), time);
  for (const char* bad : {"", "now", "2026-11-30", "2026-11-30T15:04:05", "1700000000000",
                          "infinite-past", "10000-01-01T00:00:00Z", "0000-12-31T23:59:59Z"}) {
    EXPECT_EQ(ParseTime(bad), std::nullopt) << bad;
  }
}

TEST(Units, NumbersArePrintedForPeople) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1048575), "1.0 MiB");
  EXPECT_EQ(FormatBytes(uint64_t{64} << 20), "64.0 MiB");
  EXPECT_EQ(FormatBytes(UINT64_MAX), "16.0 EiB");
  EXPECT_EQ(FormatRate(3.14), "3.1");
  EXPECT_EQ(FormatRate(51234.4), "51,234");
  EXPECT_EQ(FormatTime(absl::Nanoseconds(500)), "0.50 us");
  EXPECT_EQ(FormatTime(absl::Microseconds(1234)), "1.23 ms");
  EXPECT_EQ(FormatTime(absl::Milliseconds(123456)), "123 s");
}

TEST(UnitsTest, AnAgeHasItsTwoLargestUnits) {
  EXPECT_EQ(FormatAge(absl::Seconds(-3)), "0s");
  EXPECT_EQ(FormatAge(absl::Milliseconds(59'999)), "59s");
  EXPECT_EQ(FormatAge(absl::Seconds(60)), "1m 0s");
  EXPECT_EQ(FormatAge(absl::Seconds(3599)), "59m 59s");
  EXPECT_EQ(FormatAge(absl::Minutes(312)), "5h 12m");
  EXPECT_EQ(FormatAge(absl::Hours(76)), "3d 4h");
  EXPECT_EQ(FormatAge(absl::Hours(24 * 20'000)), "20,000d 0h");
}

}  // namespace
}  // namespace walden::cli
