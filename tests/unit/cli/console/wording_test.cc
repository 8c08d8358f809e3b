#include "cli/console/wording.h"

#include "gtest/gtest.h"

namespace walden::cli {
namespace {

TEST(Wording, ACountAgreesWithItsNoun) {
  EXPECT_EQ(Counted(0, "table"), "0 tables");
  EXPECT_EQ(Counted(1, "table"), "1 table");
  EXPECT_EQ(Counted(1234, "record"), "1,234 records");
  EXPECT_EQ(Counted(1, "entry"), "1 entry");
  EXPECT_EQ(Counted(2, "entry"), "2 entries");
  EXPECT_EQ(Counted(2, "batch"), "2 batches");
}

TEST(Wording, ARangeOfOneNumberIsThatNumber) {
  EXPECT_EQ(RangeText(3, 3), "3");
  EXPECT_EQ(RangeText(3, 5), "3..5");
}

TEST(Wording, TextIsWrappedBetweenWords) {
  EXPECT_EQ(Wrapped("", 5), "");
  EXPECT_EQ(Wrapped("one two\nthree", 7), "one two\nthree");
  EXPECT_EQ(Wrapped("one two three", 9), "one two\nthree");
  EXPECT_EQ(Wrapped("a seventeen b", 4), "a\nseventeen\nb");
}

}  // namespace
}  // namespace walden::cli
