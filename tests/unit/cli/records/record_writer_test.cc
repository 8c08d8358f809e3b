#include "cli/records/record_writer.h"

#include "gtest/gtest.h"

namespace walden::cli {
namespace {

std::string Formatted(RecordFormatting formatting, absl::string_view payload) {
  std::string text;
  FormatRecord(formatting, 7, 42, payload, text);
  return text;
}

TEST(FormatRecord, TextIsThePayloadAndANewline) {
  EXPECT_EQ(Formatted({}, "hello"), "hello\n");
  EXPECT_EQ(Formatted({}, absl::string_view("\0\xFF", 2)), std::string("\0\xFF\n", 3));
  EXPECT_EQ(Formatted({}, ""), "\n");
}

TEST(FormatRecord, SequenceAndTableStandBeforeThePayload) {
  RecordFormatting formatting;
  formatting.show_sequence = true;
  EXPECT_EQ(Formatted(formatting, "hello"), "42\thello\n");
  formatting.show_table = true;
  EXPECT_EQ(Formatted(formatting, "hello"), "7\t42\thello\n");
}

TEST(FormatRecord, JsonHasTextWhenItIsUtf8AndBase64Otherwise) {
  RecordFormatting formatting;
  formatting.format = RecordFormat::kJson;
  EXPECT_EQ(Formatted(formatting, "a\"\n\xC3\xA9"),
            "{\"table\":7,\"sequence\":42,\"payload\":\"a\\\"\\n\xC3\xA9\"}\n");
  EXPECT_EQ(Formatted(formatting, "\xFF\x01"),
            "{\"table\":7,\"sequence\":42,\"payload_base64\":\"/wE=\"}\n");
}

}  // namespace
}  // namespace walden::cli
