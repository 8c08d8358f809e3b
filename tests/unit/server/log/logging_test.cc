#include "server/log/logging.h"

#include <gtest/gtest.h>

namespace walden {
namespace {

TEST(LoggingTest, TextQuotesWhatWouldBreakTheLine) {
  EXPECT_EQ(FormatLogText("region opened", {{"region", 7}, {"file", "seg_0"}, {"seconds", 0.5}}),
            "region opened region=7 file=seg_0 seconds=0.5");
  EXPECT_EQ(FormatLogText("e", {{"error", "no \"space\"\nleft"}, {"empty", ""}}),
            "e error=\"no \\\"space\\\"\\nleft\" empty=\"\"");
}

TEST(LoggingTest, AnErrorThatDidNotHappenIsLeftOut) {
  EXPECT_EQ(FormatLogText("e", {{"error", absl::OkStatus()}, {"n", 1}}), "e n=1");
  EXPECT_EQ(FormatLogJson("e", {{"error", absl::OkStatus()}, {"n", 1}}), "\"event\":\"e\",\"n\":1");
  EXPECT_EQ(FormatLogText("e", {{"error", absl::NotFoundError("gone")}}),
            "e error=\"NOT_FOUND: gone\"");
}

TEST(LoggingTest, JsonEscapesEverythingThatJsonWantsEscaped) {
  EXPECT_EQ(FormatLogJson("e", {{"region", uint64_t{18446744073709551615u}}}),
            "\"event\":\"e\",\"region\":18446744073709551615");
  EXPECT_EQ(FormatLogJson("quote \" backslash \\ newline \n", {}),
            "\"event\":\"quote \\\" backslash \\\\ newline \\n\"");
  EXPECT_EQ(FormatLogJson(absl::string_view("\x01\x1f\0", 3), {}),
            "\"event\":\"\\u0001\\u001f\\u0000\"");
}

TEST(LoggingTest, JsonIsUtf8WhateverTheBytesAre) {
  EXPECT_EQ(FormatLogJson("gr\xC3\xBC\xC3\x9F \xF0\x9F\x8C\xB3", {}),
            "\"event\":\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x8C\xB3\"");
  const char* const replacement = "\xEF\xBF\xBD";
  for (const char* bad : {"\xFF", "\xC3", "\x80", "\xC0", "\xF8"}) {
    EXPECT_EQ(FormatLogJson(bad, {}), std::string("\"event\":\"") + replacement + "\"");
  }
  EXPECT_EQ(FormatLogJson("\xED\xA0\x80", {}).find("\xED"), std::string::npos) << "a surrogate";
}

}  // namespace
}  // namespace walden
