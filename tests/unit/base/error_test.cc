#include "base/error.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace walden {
namespace {

absl::Status Sample() {
  return MakeError(absl::StatusCode::kAborted, ErrorReason::kSequenceMismatch, "it is 7",
                   {{"field", "expected_next_sequence"}, {"actual_next_sequence", "7"}});
}

TEST(ErrorTest, CarriesCodeMessageReasonAndMetadata) {
  const absl::Status status = Sample();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "it is 7");
  EXPECT_TRUE(HasReason(status, ErrorReason::kSequenceMismatch));
  EXPECT_FALSE(HasReason(status, ErrorReason::kFenced));
  const auto info = GetErrorInfo(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason, "SEQUENCE_MISMATCH");
  EXPECT_EQ(info->metadata, (std::map<std::string, std::string>{{"field", "expected_next_sequence"},
                                                                {"actual_next_sequence", "7"}}));
}

TEST(ErrorTest, EveryReasonIsFoundAgainInItsError) {
  for (size_t i = 0; i < kErrorReasons; ++i) {
    const auto reason = static_cast<ErrorReason>(i);
    EXPECT_NE(ErrorReasonName(reason), "UNKNOWN") << i;
    EXPECT_EQ(ErrorReasonOf(MakeError(absl::StatusCode::kAborted, reason, "")), reason) << i;
  }
  EXPECT_EQ(ErrorReasonOf(absl::AbortedError("")), std::nullopt);
}

TEST(ErrorTest, MetadataMayBeAbsentOrEmpty) {
  const auto none = GetErrorInfo(
      MakeError(absl::StatusCode::kUnavailable, ErrorReason::kShuttingDown, "stopping"));
  ASSERT_TRUE(none.has_value());
  EXPECT_EQ(none->reason, "SHUTTING_DOWN");
  EXPECT_TRUE(none->metadata.empty());
  const auto empty = GetErrorInfo(
      MakeError(absl::StatusCode::kNotFound, ErrorReason::kNotFound, "", {{"path", ""}}));
  ASSERT_TRUE(empty.has_value());
  EXPECT_EQ(empty->metadata.at("path"), "");
}

TEST(ErrorTest, ANulByteInAValueDoesNotShiftTheOtherValues) {
  const auto info =
      GetErrorInfo(MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption, "x",
                             {{"file", std::string("a\0b", 3)}, {"offset", "12"}}));
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->metadata.size(), 2u);
  EXPECT_EQ(info->metadata.at("file"), "a?b");
  EXPECT_EQ(info->metadata.at("offset"), "12");
}

TEST(ErrorTest, AStatusMadeOtherwiseHasNoReason) {
  EXPECT_FALSE(GetErrorInfo(absl::OkStatus()).has_value());
  EXPECT_FALSE(GetErrorInfo(absl::InternalError("x")).has_value());
  EXPECT_FALSE(HasReason(absl::AbortedError("x"), ErrorReason::kSequenceMismatch));
}

TEST(ErrorTest, MetadataIsAddedAndNeverReplaced) {
  const absl::Status status = WithMetadata(Sample(), "table_id", "7");
  EXPECT_EQ(status.message(), Sample().message());
  auto expected = GetErrorInfo(Sample())->metadata;
  expected["table_id"] = "7";
  EXPECT_EQ(GetErrorInfo(status)->metadata, expected);
  EXPECT_EQ(GetErrorInfo(WithMetadata(status, "table_id", "8"))->metadata, expected);
  EXPECT_EQ(WithMetadata(absl::InternalError("x"), "table_id", "7"), absl::InternalError("x"));
  EXPECT_TRUE(WithMetadata(absl::OkStatus(), "table_id", "7").ok());
}

TEST(ErrorTest, ContextGoesBeforeTheMessageAndTheRestStays) {
  const absl::Status status = WithContext(WithContext(Sample(), "table 3"), "region 1");
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "region 1: table 3: it is 7");
  EXPECT_EQ(GetErrorInfo(status)->metadata, GetErrorInfo(Sample())->metadata);
  EXPECT_TRUE(HasReason(status, ErrorReason::kSequenceMismatch));
}

TEST(ErrorTest, ContextOfSuccessIsSuccess) {
  EXPECT_TRUE(WithContext(absl::OkStatus(), "region 1").ok());
}

TEST(ErrorTest, EveryReasonHasItsOwnName) {
  std::set<std::string> names;
  const int last = static_cast<int>(ErrorReason::kWrongBackup);
  for (int reason = 0; reason <= last; ++reason) {
    names.insert(std::string(ErrorReasonName(static_cast<ErrorReason>(reason))));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(last) + 1);
  EXPECT_EQ(names.count("UNKNOWN"), 0u);
}

}  // namespace
}  // namespace walden
