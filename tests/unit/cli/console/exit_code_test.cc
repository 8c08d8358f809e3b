#include "cli/console/exit_code.h"

#include <map>
#include <string>
#include <utility>

#include "cli/console/failure.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/commands/fake_walden.h"

namespace walden::cli {
namespace {

TEST(ExitCode, EachKindOfErrorHasItsOwn) {
  const std::pair<absl::StatusCode, int> expected[] = {
      {absl::StatusCode::kOk, 0},
      {absl::StatusCode::kInternal, 1},
      {absl::StatusCode::kUnimplemented, 1},
      {absl::StatusCode::kInvalidArgument, 2},
      {absl::StatusCode::kUnavailable, 3},
      {absl::StatusCode::kDataLoss, 4},
      {absl::StatusCode::kFailedPrecondition, 5},
      {absl::StatusCode::kAborted, 5},
      {absl::StatusCode::kResourceExhausted, 6},
      {absl::StatusCode::kNotFound, 7},
      {absl::StatusCode::kDeadlineExceeded, 8},
  };
  for (const auto& [code, exit_code] : expected) {
    EXPECT_EQ(static_cast<int>(ExitCodeOf(absl::Status(code, ""))), exit_code);
  }
}

TEST(ExitCode, AKeyWithoutAnEntryIsApartFromAMissingRegion) {
  const auto code = absl::StatusCode::kNotFound;
  EXPECT_EQ(static_cast<int>(ExitCodeOf(Failure(code, kReasonNoEntry, ""))), 10);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(Failure(code, "NOT_FOUND", ""))), 7);
}

TEST(ExitCode, InterruptionAndAClosedPipeLookLikeTheirSignals) {
  const auto code = absl::StatusCode::kCancelled;
  EXPECT_EQ(static_cast<int>(ExitCodeOf(Failure(code, kReasonInterrupted, ""))), 130);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(Failure(code, kReasonOutputClosed, ""))), 141);
}

TEST(Failure, TheDaemonsReasonAndMetadataArriveAndAreToldInOneLine) {
  const absl::Status status =
      FromGrpc(RefusalOf(grpc::StatusCode::ABORTED, "SEQUENCE_MISMATCH",
                         {{"field", "expected_next_sequence"}, {"actual_next_sequence", "12"}}));
  EXPECT_TRUE(HasReason(status, "SEQUENCE_MISMATCH"));
  EXPECT_EQ(
      FailureText(status, "host:1"),
      "walden: ABORTED (SEQUENCE_MISMATCH): refused by the fake [actual_next_sequence=12, "
      "field=expected_next_sequence]\n"
      "  hint: the table's next sequence is 12; read what was appended meanwhile, then expect "
      "that\n");
}

TEST(Failure, WhatTheMessageSaysIsNotRepeated) {
  EXPECT_EQ(FailureText(Failure(absl::StatusCode::kNotFound, "NOT_FOUND", "there is no region 71",
                                {{"field", "region_id"}, {"value", "71"}, {"other", "7"}}),
                        "host:1"),
            "walden: NOT_FOUND: there is no region 71 [field=region_id, other=7]\n");
}

TEST(Failure, AFailedHandshakeNamesTheTlsOptions) {
  const std::string text = FailureText(
      FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "Ssl handshake failed: wrong version")),
      "host:1");
  EXPECT_NE(text.find("leave out --tls-ca"), std::string::npos) << text;
  EXPECT_EQ(text.find("is waldend running"), std::string::npos) << text;
}

TEST(Failure, AnUnreachableDaemonBringsAHintWithItsAddress) {
  const absl::Status status =
      FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection\nrefused"));
  EXPECT_EQ(FailureText(status, "unix:/run/walden.sock"),
            "walden: UNAVAILABLE: connection refused\n"
            "  hint: is waldend running at unix:/run/walden.sock? start it with: waldend --listen "
            "unix:/run/walden.sock, or point --address or WALDEN_ADDRESS at where it listens\n");
}

TEST(Failure, ForProgramsItIsOneJsonObject) {
  const absl::Status status =
      FromGrpc(RefusalOf(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", {{"field", "x"}}));
  EXPECT_EQ(FailureJson(status, "host:1"),
            "{\"error\":{\"code\":\"INVALID_ARGUMENT\",\"reason\":\"INVALID_FIELD\","
            "\"metadata\":{\"field\":\"x\"},\"message\":\"refused by the fake\"}}\n");
}

TEST(Failure, ContextKeepsReasonAndCode) {
  const absl::Status status =
      WithContext(Failure(absl::StatusCode::kDataLoss, "CORRUPTION", "bad bytes"), "region 1: ");
  EXPECT_EQ(status.message(), "region 1: bad bytes");
  EXPECT_TRUE(HasReason(status, "CORRUPTION"));
  EXPECT_TRUE(WithContext(absl::OkStatus(), "x").ok());
}

TEST(Failure, DetailsThatAreNotAStatusAreIgnored) {
  const absl::Status status =
      FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "no region", "\xFF\xFF garbage"));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ErrorInfoOf(status).has_value());
}

}  // namespace
}  // namespace walden::cli
