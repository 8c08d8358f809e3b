#include "cli/console/text_table.h"

#include "gtest/gtest.h"

namespace walden::cli {
namespace {

TEST(TextTable, ColumnsLineUpAndNumbersAreFlushRight) {
  TextTable table({">region", "state", "error"});
  table.AddRow({"1", "open", ""});
  table.AddRow({"12345678", "broken", "bad bytes"});
  EXPECT_EQ(table.ToString(),
            "  region  state   error\n"
            "       1  open\n"
            "12345678  broken  bad bytes\n");
}

TEST(TextTable, WithoutRowsThereIsNothing) { EXPECT_EQ(TextTable({"a", "b"}).ToString(), ""); }

}  // namespace
}  // namespace walden::cli
