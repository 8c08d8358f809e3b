#include "base/byte_size.h"

#include <gtest/gtest.h>

namespace walden {
namespace {

TEST(ByteSize, ReadsEveryUnit) {
  EXPECT_EQ(ParseByteSize("7B")->bytes, 7u);
  EXPECT_EQ(ParseByteSize("1KiB")->bytes, 1024u);
  EXPECT_EQ(ParseByteSize("64MiB")->bytes, 67108864u);
  EXPECT_EQ(ParseByteSize("2 GiB")->bytes, 2147483648u);
  EXPECT_EQ(ParseByteSize("1TiB")->bytes, uint64_t{1} << 40);
  EXPECT_EQ(ParseByteSize("0B")->bytes, 0u);
}

TEST(ByteSize, ReadsANumberWithoutAUnitAsBytes) {
  EXPECT_EQ(ParseByteSize("4096")->bytes, 4096u);
  EXPECT_EQ(ParseByteSize("18446744073709551615")->bytes, UINT64_MAX);
  EXPECT_FALSE(ParseByteSize("18446744073709551616").ok());
}

TEST(ByteSize, RefusesWhatIsNoSize) {
  for (const char* text : {"", "MiB", "64 ", "64mib", "64MB", "64M", "1.5MiB", "-1MiB", "+1MiB",
                           " 64MiB", "64MiBs", "0x10B", "99999999999999999999B", "16777216TiB"}) {
    EXPECT_FALSE(ParseByteSize(text).ok()) << text;
  }
}

TEST(ByteSize, TheLargestSizesAreExact) {
  EXPECT_EQ(ParseByteSize("18446744073709551615B")->bytes, UINT64_MAX);
  EXPECT_EQ(ParseByteSize("16777215TiB")->bytes, uint64_t{16777215} << 40);
}

TEST(ByteSize, IsPrintedInTheLargestUnitThatIsExact) {
  EXPECT_EQ(FormatByteSize({0}), "0B");
  EXPECT_EQ(FormatByteSize({1023}), "1023B");
  EXPECT_EQ(FormatByteSize({1025}), "1025B");
  EXPECT_EQ(FormatByteSize(KiB(1536)), "1536KiB");
  EXPECT_EQ(FormatByteSize(MiB(1024)), "1GiB");
  EXPECT_EQ(FormatByteSize({UINT64_MAX}), "18446744073709551615B");
}

TEST(ByteSize, WhatIsPrintedReadsAsTheSame) {
  for (unsigned shift = 0; shift < 64; ++shift) {
    for (const uint64_t bytes : {uint64_t{1} << shift, (uint64_t{1} << shift) + 1}) {
      EXPECT_EQ(ParseByteSize(FormatByteSize({bytes}))->bytes, bytes);
    }
  }
}

}  // namespace
}  // namespace walden
