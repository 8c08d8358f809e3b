#include "cli/records/entry_lines.h"

#include "gtest/gtest.h"

namespace walden::cli {
namespace {

TEST(EntryFromJson, ReadsTimesThatFlushPrintedAsStrings) {
  v1::Entry entry;
  entry.set_key("k");
  entry.set_value("v");
  entry.set_created_unix_ms(INT64_MIN);
  entry.set_expires_unix_ms(INT64_MAX);
  const auto read = EntryFromJson(EntryLine(EntryFormat::kJson, entry));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->created_unix_ms(), INT64_MIN);
  EXPECT_EQ(read->expires_unix_ms(), INT64_MAX);
}

// A program that keeps numbers in doubles prints INT64_MAX so. Taken as a negative time the entry
// would be hidden at once.
TEST(EntryFromJson, RefusesATimeBeyondItsType) {
  for (const char* const time : {"9223372036854775808", "\"9223372036854775808\""}) {
    const auto read =
        EntryFromJson(std::string("{\"key\":\"k\",\"expires_unix_ms\":") + time + "}");
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << time << ": " << read.status();
  }
}

}  // namespace
}  // namespace walden::cli
