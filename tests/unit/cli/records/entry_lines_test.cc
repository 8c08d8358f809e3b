#include "cli/records/entry_lines.h"

#include "gtest/gtest.h"

namespace walden::cli {
namespace {

TEST(EntryFromJson, ReadsTheTimesThatFlushPrinted) {
  v1::Entry entry;
  entry.set_key("k");
  entry.set_value("v");
  entry.mutable_create_time()->set_seconds(-1);
  entry.mutable_create_time()->set_nanos(1'000'000);
  entry.mutable_expire_time()->set_seconds(253'402'300'799);  // the last second of 9999
  const auto read = EntryFromJson(EntryLine(EntryFormat::kJson, entry));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->create_time().seconds(), -1);
  EXPECT_EQ(read->create_time().nanos(), 1'000'000);
  EXPECT_EQ(read->expire_time().seconds(), 253'402'300'799);
}

TEST(EntryFromJson, RefusesWhatIsNoTime) {
  for (const char* const time :
       {"1700000000000", "\"1700000000000\"", "\"soon\"", "\"2026-11-30\"",
        "\"2026-11-30T15:04:05\"", "\"infinite-future\"", "\"10000-01-01T00:00:00Z\"", "null"}) {
    const auto read = EntryFromJson(std::string("{\"key\":\"k\",\"expire_time\":") + time + "}");
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << time << ": " << read.status();
  }
}

}  // namespace
}  // namespace walden::cli
