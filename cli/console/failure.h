// Errors as the client sees them: an absl::Status that carries a google.rpc.ErrorInfo as payload,
// be it from the daemon or made here, and the lines that tell people and programs about it.
//
// Everything here is safe from any thread.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/console/json.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace walden::cli {

// Reasons that only the client has.
inline constexpr absl::string_view kReasonInterrupted = "INTERRUPTED";
inline constexpr absl::string_view kReasonOutputClosed = "OUTPUT_CLOSED";
inline constexpr absl::string_view kReasonBadInput = "BAD_INPUT";
inline constexpr absl::string_view kReasonFile = "FILE";
inline constexpr absl::string_view kReasonProtocol = "PROTOCOL";
inline constexpr absl::string_view kReasonIncomplete = "INCOMPLETE_RECOVERY";
inline constexpr absl::string_view kReasonIncompleteStream = "INCOMPLETE_STREAM";
inline constexpr absl::string_view kReasonNotServing = "NOT_SERVING";
inline constexpr absl::string_view kReasonDamageFound = "DAMAGE_FOUND";

absl::Status Failure(
    absl::StatusCode code, absl::string_view reason, absl::string_view message,
    std::initializer_list<std::pair<absl::string_view, std::string>> metadata = {});

absl::Status FailureWith(const google::rpc::ErrorInfo& info, absl::StatusCode code,
                         absl::string_view message);

// "context: strerror(error_number)", reason FILE.
absl::Status FileFailure(int error_number, absl::string_view context);

absl::Status FromGrpc(const grpc::Status& status);
absl::Status FromRpcStatus(const google::rpc::Status& status);

std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const absl::Status& status);
bool HasReason(const absl::Status& status, absl::string_view reason);

// The same error with `context` before its message; code, reason and metadata stay.
absl::Status WithContext(const absl::Status& status, absl::string_view context);

// Whether an append or put that ended with this error may be stored all the same: the daemon does
// not know, or the error is of the client's own gRPC library. Other errors say that it is not
// stored.
bool MayBeStored(const absl::Status& error);

// "CODE (REASON): message", of an error that stands in an answer.
std::string StatusText(const google::rpc::Status& status);

// {"code": ..., "reason": ..., "metadata": {...}, "message": ...}. Without an ErrorInfo there is
// neither reason nor metadata.
Json ErrorJson(const absl::Status& status);

// How long the daemon asks to wait before the same request; zero if it does not say.
absl::Duration RetryDelayOf(const absl::Status& status);

// Where the client looks for the daemon.
struct Endpoint {
  std::string address;
  bool uses_tls = false;
};

// Advice to the user about the error; empty if there is none.
std::string HintFor(const absl::Status& status, const Endpoint& daemon);

// "walden: CODE (REASON): message [key=value ...]", then a line with the hint if there is one.
std::string FailureText(const absl::Status& status, const Endpoint& daemon);

// The same as one JSON object in one line.
std::string FailureJson(const absl::Status& status, const Endpoint& daemon);

}  // namespace walden::cli
