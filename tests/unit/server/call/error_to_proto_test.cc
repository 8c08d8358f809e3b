#include "server/call/error_to_proto.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>

#include "base/error.h"
#include "engine/io/posix_error.h"
#include "google/rpc/error_details.pb.h"

namespace walden {
namespace {

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

TEST(ErrorMappingTest, CarriesCodeMessageReasonAndMetadata) {
  const grpc::Status status =
      ToGrpcStatus(MakeError(absl::StatusCode::kAborted, ErrorReason::kSequenceMismatch,
                             "expected 5, is 7", {{"actual_next_sequence", "7"}}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(), "expected 5, is 7");
  const google::rpc::Status details = DetailsOf(status);
  EXPECT_EQ(details.code(), 10);
  ASSERT_EQ(details.details_size(), 1);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.domain(), "walden");
  EXPECT_EQ(info.reason(), "SEQUENCE_MISMATCH");
  EXPECT_EQ(info.metadata().at("actual_next_sequence"), "7");
}

TEST(ErrorMappingTest, OkIsOk) { EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok()); }

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  const google::rpc::Status details = DetailsOf(status);
  for (const google::protobuf::Any& detail : details.details()) {
    if (detail.UnpackTo(&info)) return info.reason();
  }
  return "";
}

std::string ApiText() {
  std::ifstream file(WALDEN_SOURCE_DIR "/proto/walden/v1/common.proto");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ErrorMappingTest, EveryErrorLeavesWithAReasonThatTheApiNames) {
  const std::string api = ApiText();
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status =
        ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "made by anybody"));
    const std::string reason = ReasonOf(status);
    EXPECT_NE(reason, "") << code;
    EXPECT_NE(api.find(reason), std::string::npos) << reason;
    EXPECT_EQ(status.error_message(), "made by anybody");
  }
  EXPECT_EQ(ToGrpcStatus(absl::DataLossError("lost")).error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(ToGrpcStatus(absl::NotFoundError("gone")).error_code(), grpc::StatusCode::INTERNAL);
}

TEST(ErrorMappingTest, AFileThatIsNotFoundIsLostDataAndNamesTheFile) {
  const grpc::Status status = ToGrpcStatus(PosixError("open", "/data/7/seg_1", ENOENT));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(ReasonOf(status), "CORRUPTION");
  EXPECT_NE(status.error_message().find("/data/7/seg_1"), std::string::npos);
  const grpc::Status region = ToGrpcStatus(
      MakeError(absl::StatusCode::kNotFound, ErrorReason::kRegionNotFound, "there is no region 7"));
  EXPECT_EQ(region.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(region), "REGION_NOT_FOUND");
  // Of a backup, for example, which no client asks about.
  const grpc::Status other = ToGrpcStatus(
      MakeError(absl::StatusCode::kNotFound, ErrorReason::kNotFound, "there is no backup"));
  EXPECT_EQ(other.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(ReasonOf(other), "INTERNAL");
}

absl::Duration RetryDelayOf(const absl::Status& status) {
  google::rpc::RetryInfo retry;
  const auto details = DetailsOf(ToGrpcStatus(status));
  for (const google::protobuf::Any& detail : details.details()) {
    if (!detail.UnpackTo(&retry)) continue;
    return absl::Seconds(retry.retry_delay().seconds()) +
           absl::Nanoseconds(retry.retry_delay().nanos());
  }
  return absl::ZeroDuration();
}

TEST(ErrorMappingTest, WhateverIsExhaustedSaysWhenToTryAgain) {
  for (size_t i = 0; i < kErrorReasons; ++i) {
    const auto reason = static_cast<ErrorReason>(i);
    const absl::Duration delay =
        RetryDelayOf(MakeError(absl::StatusCode::kResourceExhausted, reason, "full"));
    EXPECT_GE(delay, absl::Milliseconds(100)) << ErrorReasonName(reason);
    EXPECT_LE(delay, absl::Seconds(1)) << ErrorReasonName(reason);
  }
  EXPECT_EQ(RetryDelayOf(MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kTenantLimit,
                                   "full", {{kRetryAfterMillisKey, "2500"}})),
            absl::Milliseconds(2500));
}

TEST(ErrorMappingTest, WhatPassesByItselfSaysWhenAndWhatDoesNotSaysNothing) {
  const auto unavailable = [](ErrorReason reason) {
    return RetryDelayOf(MakeError(absl::StatusCode::kUnavailable, reason, "gone"));
  };
  for (const ErrorReason passing : {ErrorReason::kShuttingDown, ErrorReason::kIoError,
                                    ErrorReason::kRegionFailed, ErrorReason::kRegionClosed}) {
    EXPECT_GT(unavailable(passing), absl::ZeroDuration()) << ErrorReasonName(passing);
  }
  EXPECT_GT(RetryDelayOf(absl::UnavailableError("no reason")), absl::ZeroDuration());
  // Its batch may be stored.
  EXPECT_EQ(unavailable(ErrorReason::kWriteFailed), absl::ZeroDuration());
  EXPECT_EQ(RetryDelayOf(MakeError(absl::StatusCode::kFailedPrecondition,
                                   ErrorReason::kOwnedElsewhere, "elsewhere")),
            absl::ZeroDuration());
  EXPECT_EQ(RetryDelayOf(
                MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField, "wrong")),
            absl::ZeroDuration());
}

TEST(ErrorMappingTest, FitsIntoTrailersHoweverLongTheMessage) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "ä";
  const grpc::Status status = ToGrpcStatus(
      MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, text, {{"path", text}}));
  EXPECT_LT(status.error_message().size() + status.error_details().size(), 6000u);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(DetailsOf(status).details(0).UnpackTo(&info)) << "cut between characters";
}

}  // namespace
}  // namespace walden
