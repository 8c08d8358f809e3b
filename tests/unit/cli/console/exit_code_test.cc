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
      {absl::StatusCode::kUnimplemented, 11},
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
  EXPECT_EQ(FailureText(status, {"host:1"}),
            "walden: ABORTED (SEQUENCE_MISMATCH): refused by the fake [actual_next_sequence=12, "
            "field=expected_next_sequence]\n"
            "  hint: the table's next sequence is 12; read the records that were appended "
            "meanwhile, then expect that number\n");
}

TEST(Failure, AnAppendMayBeStoredIfTheDaemonDoesNotKnowOrDidNotAnswer) {
  const auto error = [](grpc::StatusCode code, const std::string& reason) {
    return FromGrpc(RefusalOf(code, reason));
  };
  EXPECT_TRUE(MayBeStored(error(grpc::StatusCode::UNAVAILABLE, "WRITE_FAILED")));
  EXPECT_TRUE(MayBeStored(error(grpc::StatusCode::INTERNAL, "INTERNAL")));
  EXPECT_TRUE(MayBeStored(FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "closed"))));
  EXPECT_FALSE(MayBeStored(error(grpc::StatusCode::UNAVAILABLE, "IO_ERROR")));
  EXPECT_FALSE(MayBeStored(error(grpc::StatusCode::DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")));
}

TEST(Failure, EachReasonWithoutAnObviousAnswerBringsAHint) {
  const std::pair<const char*, const char*> expected[] = {
      {"WRITE_FAILED", "whether the batch is stored is unknown"},
      {"UNSUPPORTED", "the engine of this namespace cannot do it"},
      {"INTERNAL", "report it"},
      {"IO_ERROR", "try again later"},
      {"LIMIT_EXCEEDED", "walden info"},
  };
  for (const auto& [reason, hint] : expected) {
    const absl::Status error = FromGrpc(RefusalOf(grpc::StatusCode::UNAVAILABLE, reason));
    EXPECT_NE(HintFor(error, {"host:1"}).find(hint), std::string::npos) << HintFor(error, {});
  }
}

TEST(Failure, WhatTheMessageSaysIsNotRepeated) {
  EXPECT_EQ(FailureText(Failure(absl::StatusCode::kNotFound, "NOT_FOUND", "there is no region 71",
                                {{"field", "region_id"}, {"value", "71"}, {"other", "7"}}),
                        {"host:1"}),
            "walden: NOT_FOUND: there is no region 71 [field=region_id, other=7]\n");
}

// As gRPC words them, with what the hint must name.
TEST(Failure, AConnectionThatFailsForTlsBringsAHintAboutTls) {
  struct Case {
    bool uses_tls;
    std::string message;
    std::string hint;
  };
  const std::string failed = "failed to connect to all addresses; last error: UNKNOWN: ";
  const Case cases[] = {
      {true, failed + "Ssl handshake failed: SSL_ERROR_SSL: error:0A00010B::wrong version number",
       "host:1 does not use TLS: leave out --tls-ca"},
      {true, failed + "Ssl handshake failed: SSL_ERROR_SSL: WRONG_VERSION_NUMBER",
       "host:1 does not use TLS: leave out --tls-ca"},
      {true, failed + "Ssl handshake failed: SSL_ERROR_SSL: certificate verify failed",
       "is not from the authority in --tls-ca"},
      {true, failed + "Peer name host is not in peer certificate", "--tls-server-name"},
      {true, failed + "Socket closed", "give --tls-cert and --tls-key"},
      {true, failed + "Ssl handshake failed: of late", "the TLS handshake with host:1 failed"},
      {true, failed + "Connection refused", "is waldend running at host:1?"},
      {false, failed + "Socket closed", "if it uses TLS, give --tls-ca"},
      {false, failed + "recvmsg:Connection reset by peer", "if it uses TLS, give --tls-ca"},
      {false, failed + "Connection refused", "is waldend running at host:1?"},
      {false, "Socket closed", "is waldend running at host:1?"},  // in the middle of a call
  };
  for (const auto& [uses_tls, message, hint] : cases) {
    const absl::Status status = FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, message));
    const std::string said = HintFor(status, {"host:1", uses_tls});
    EXPECT_NE(said.find(hint), std::string::npos) << message << " -> " << said;
    const bool of_tls = said.find("TLS") != std::string::npos || said.find("--tls") != said.npos;
    EXPECT_EQ(of_tls, hint.find("is waldend running") == std::string::npos) << said;
  }
}

TEST(Failure, AnUnreachableDaemonBringsAHintWithItsAddress) {
  const absl::Status status =
      FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection\nrefused"));
  EXPECT_EQ(FailureText(status, {"unix:/run/walden.sock"}),
            "walden: UNAVAILABLE: connection refused\n"
            "  hint: is waldend running at unix:/run/walden.sock? start it with: waldend --listen "
            "unix:/run/walden.sock, or point --address or WALDEN_ADDRESS at where it listens\n");
}

TEST(Failure, ForProgramsItIsOneJsonObject) {
  const absl::Status status =
      FromGrpc(RefusalOf(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", {{"field", "x"}}));
  EXPECT_EQ(FailureJson(status, {"host:1"}),
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
