#include "cli/console/failure.h"

#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "cli/console/json.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

constexpr absl::string_view kErrorInfoUrl = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr absl::string_view kRetryInfoUrl = "type.googleapis.com/google.rpc.RetryInfo";

// Messages must stay one line, whoever wrote them.
std::string OneLine(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"\r", " "}, {"\n", " "}});
}

using Metadata = std::map<std::string, std::string>;

// Whether `word` stands in the text with no letter or digit beside it.
bool HasWord(absl::string_view text, absl::string_view word) {
  if (word.empty()) return false;
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool begins = at == 0 || !absl::ascii_isalnum(static_cast<unsigned char>(text[at - 1]));
    const bool ends =
        end == text.size() || !absl::ascii_isalnum(static_cast<unsigned char>(text[end]));
    if (begins && ends) return true;
  }
  return false;
}

Metadata SortedMetadata(const google::rpc::ErrorInfo& info) {
  return {info.metadata().begin(), info.metadata().end()};
}

std::string MetadataOr(const google::rpc::ErrorInfo& info, const std::string& key,
                       absl::string_view otherwise) {
  const auto found = info.metadata().find(key);
  return found == info.metadata().end() ? std::string(otherwise) : found->second;
}

std::string HintForReason(const google::rpc::ErrorInfo& info) {
  const std::string& reason = info.reason();
  if (reason == "FENCED") {
    return absl::StrCat("a newer writer owns the region (version ",
                        MetadataOr(info, "highest_region_version", "unknown"),
                        "); stop this one, or give --region-version at least that");
  }
  if (reason == "SEQUENCE_MISMATCH") {
    return absl::StrCat("the table's next sequence is ",
                        MetadataOr(info, "actual_next_sequence", "another"),
                        "; read the records that were appended meanwhile, then expect that number");
  }
  if (reason == "PRODUCER_OUT_OF_ORDER") {
    return absl::StrCat("the producer's next batch is number ",
                        MetadataOr(info, "expected_producer_sequence", "unknown"),
                        "; send the missing batches, or go on with --producer-start");
  }
  if (reason == "PRODUCER_FORGOTTEN") {
    return "check whether the batch is stored, then get a new id from `walden open-producer`";
  }
  if (reason == "UNAUTHENTICATED") {
    return "identify yourself with --token-file or WALDEN_TOKEN_FILE, or with --tls-cert and "
           "--tls-key";
  }
  if (reason == "PERMISSION_DENIED") {
    return "the daemon's identities file says who may do what; `walden namespaces` lists what is "
           "open to you";
  }
  if (reason == "LIMIT_EXCEEDED") return "`walden info` shows the daemon's limits";
  if (reason == "UNKNOWN_NAMESPACE") return "`walden namespaces` lists them";
  if (reason == "ENTRY_MEMORY_FULL") {
    return "`walden flush --out FILE --finalize` makes room, `walden stats` shows how much is used";
  }
  if (reason == "WRONG_TABLE_KIND") {
    return "`walden describe` shows what each table is";
  }
  if (reason == "REGION_FAILED") {
    return "a write failed and the region takes no more until the daemon has opened it again, "
           "which "
           "it tries by itself after a growing wait; `walden close` opens it at the next call";
  }
  if (reason == "WRITE_FAILED") {
    return "whether the batch is stored is unknown: read the table before it is sent again. "
           "`walden "
           "append --retry-for 5m` sends batches again without storing any twice";
  }
  if (reason == "IO_ERROR")
    return "the disk did not answer; try again later, and look at the daemon's log";
  if (reason == "INTERNAL") {
    return "this is a fault of the daemon: report it, with the daemon's log. An append may be "
           "stored";
  }
  if (reason == "UNSUPPORTED") {
    return "the engine of this namespace cannot do it; `walden namespaces` shows the engines";
  }
  if (reason == "RECORDS_GONE") {
    return absl::StrCat("go on with --from ", MetadataOr(info, "first_sequence", "FIRST"),
                        ", or give --skip-deleted to go on after the gap");
  }
  if (reason == "PRODUCER_BATCH_DIFFERS") {
    return "another batch is stored under this number; give the same input again, or get a new id "
           "from `walden open-producer`";
  }
  if (reason == "OWNED_ELSEWHERE") {
    return absl::StrCat("the log belongs to another daemon; give --address ",
                        MetadataOr(info, "owner", "OWNER"));
  }
  if (reason == "ANSWER_TOO_LARGE") return "ask for fewer keys at once";
  if (reason == "REGION_CLOSED") return "the region was closed or dropped; try again";
  if (reason == "SHUTTING_DOWN") return "the daemon is stopping; try again when it is back";
  if (reason == "CORRUPTION") {
    return "`walden verify` lists every damaged range, `walden inspect` shows the files offline";
  }
  if (reason == "QUOTA_EXCEEDED") {
    return "`walden mark-deleted` what is not needed, or raise the quota and send the daemon "
           "SIGHUP";
  }
  if (reason == "TENANT_LIMIT") return "wait as long as the daemon says, or have the limit raised";
  if (reason == "TOO_MANY_CALLS") return "try again when other calls have ended";
  if (reason == "DEADLINE_EXCEEDED") return "the daemon did not get to it in time; raise --timeout";
  if (reason == "DISK_FULL" || reason == "DISK_RESERVE")
    return "free disk space or `walden mark-deleted` what is not needed";
  if (reason == "MAILBOX_FULL" || reason == "READER_BUDGET_FULL") {
    return "nothing was stored; try again in a moment";
  }
  return "";
}

}  // namespace

absl::Status Failure(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                     std::initializer_list<std::pair<absl::string_view, std::string>> metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain("walden-client");
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[std::string(key)] = value;
  return FailureWith(info, code, message);
}

absl::Status FailureWith(const google::rpc::ErrorInfo& info, absl::StatusCode code,
                         absl::string_view message) {
  absl::Status status(code, message);
  status.SetPayload(kErrorInfoUrl, absl::Cord(info.SerializeAsString()));
  return status;
}

absl::Status FileFailure(int error_number, absl::string_view context) {
  const absl::StatusCode code =
      error_number == ENOSPC || error_number == EDQUOT   ? absl::StatusCode::kResourceExhausted
      : error_number == ENOENT || error_number == EISDIR ? absl::StatusCode::kInvalidArgument
                                                         : absl::StatusCode::kUnknown;
  return Failure(code, kReasonFile, absl::StrCat(context, ": ", std::strerror(error_number)));
}

absl::Status FromRpcStatus(const google::rpc::Status& rpc) {
  absl::Status status(static_cast<absl::StatusCode>(rpc.code()), rpc.message());
  if (status.ok()) return status;
  for (const google::protobuf::Any& detail : rpc.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info)) {
      status.SetPayload(kErrorInfoUrl, absl::Cord(info.SerializeAsString()));
    }
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&retry)) {
      status.SetPayload(kRetryInfoUrl, absl::Cord(retry.SerializeAsString()));
    }
  }
  return status;
}

absl::Duration RetryDelayOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryInfoUrl);
  google::rpc::RetryInfo retry;
  if (!payload.has_value() || !retry.ParseFromString(std::string(*payload))) return {};
  return absl::Seconds(retry.retry_delay().seconds()) +
         absl::Nanoseconds(retry.retry_delay().nanos());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status rpc;
  const bool detailed = !status.error_details().empty() &&
                        rpc.ParseFromString(status.error_details()) &&
                        rpc.code() == static_cast<int>(status.error_code());
  if (!detailed) rpc.Clear();
  rpc.set_code(static_cast<int>(status.error_code()));
  rpc.set_message(status.error_message());
  return FromRpcStatus(rpc);
}

std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorInfoUrl);
  google::rpc::ErrorInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return std::nullopt;
  return info;
}

bool HasReason(const absl::Status& status, absl::string_view reason) {
  const auto info = ErrorInfoOf(status);
  return info.has_value() && info->reason() == reason;
}

bool MayBeStored(const absl::Status& error) {
  return !ErrorInfoOf(error).has_value() || HasReason(error, "WRITE_FAILED") ||
         HasReason(error, "INTERNAL");
}

absl::Status WithContext(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status longer(status.code(), absl::StrCat(context, status.message()));
  status.ForEachPayload([&longer](absl::string_view url, const absl::Cord& payload) {
    longer.SetPayload(url, payload);
  });
  return longer;
}

namespace {

// gRPC says why it did not get a connection only in the text of the error.
bool Says(const absl::Status& status, absl::string_view what) {
  const std::string text =
      absl::StrReplaceAll(absl::AsciiStrToLower(status.message()), {{"_", " "}});
  return absl::StrContains(text, what);
}

std::string IsItRunning(absl::string_view address) {
  return absl::StrCat("is waldend running at ", address, "? start it with: waldend --listen ",
                      address, ", or point --address or WALDEN_ADDRESS at where it listens");
}

std::string HintForTls(const absl::Status& status, absl::string_view address) {
  if (Says(status, "wrong version number")) {
    return absl::StrCat(address, " does not use TLS: leave out --tls-ca and WALDEN_TLS_CA");
  }
  if (Says(status, "certificate verify failed")) {
    return absl::StrCat("the certificate of ", address,
                        " is not from the authority in --tls-ca or WALDEN_TLS_CA");
  }
  if (Says(status, "not in peer certificate")) {
    return absl::StrCat("the certificate of ", address,
                        " is for another name: give that name with --tls-server-name");
  }
  if (Says(status, "failed to connect") && Says(status, "socket closed")) {
    return absl::StrCat(address,
                        " closed the connection: if it wants a certificate of the caller, give "
                        "--tls-cert and --tls-key");
  }
  if (Says(status, "handshake")) return absl::StrCat("the TLS handshake with ", address, " failed");
  return IsItRunning(address);
}

std::string HintForPlainConnection(const absl::Status& status, absl::string_view address) {
  const bool closed = Says(status, "socket closed") || Says(status, "connection reset");
  if (Says(status, "failed to connect") && closed && !absl::StartsWith(address, "unix:")) {
    return absl::StrCat(
        address,
        " closed the connection: if it uses TLS, give --tls-ca; if not, it may have "
        "as many connections as limits.max_connections allows");
  }
  return IsItRunning(address);
}

}  // namespace

std::string HintFor(const absl::Status& status, const Endpoint& daemon) {
  const auto info = ErrorInfoOf(status);
  if (info.has_value()) return HintForReason(*info);
  if (status.code() == absl::StatusCode::kUnavailable) {
    return daemon.uses_tls ? HintForTls(status, daemon.address)
                           : HintForPlainConnection(status, daemon.address);
  }
  if (status.code() == absl::StatusCode::kDeadlineExceeded) {
    return "the answer took too long; raise --timeout (an append may have been stored)";
  }
  if (status.code() == absl::StatusCode::kUnimplemented) {
    return absl::StrCat("is it really waldend, and as new as this client, that listens at ",
                        daemon.address, "?");
  }
  return "";
}

namespace {

std::string CodeReasonAndMessage(const absl::Status& status) {
  std::string text = absl::StatusCodeToString(status.code());
  const auto info = ErrorInfoOf(status);
  if (info.has_value() && info->reason() != absl::StatusCodeToString(status.code())) {
    absl::StrAppend(&text, " (", OneLine(info->reason()), ")");
  }
  absl::StrAppend(&text, ": ", OneLine(status.message()));
  return text;
}

}  // namespace

std::string StatusText(const google::rpc::Status& status) {
  return CodeReasonAndMessage(FromRpcStatus(status));
}

std::string FailureText(const absl::Status& status, const Endpoint& daemon) {
  std::string text = absl::StrCat("walden: ", CodeReasonAndMessage(status));
  const auto info = ErrorInfoOf(status);
  std::vector<std::string> pairs;
  for (const auto& [key, value] : info.has_value() ? SortedMetadata(*info) : Metadata()) {
    if (HasWord(status.message(), value)) continue;
    pairs.push_back(absl::StrCat(OneLine(key), "=", OneLine(value)));
  }
  if (!pairs.empty()) absl::StrAppend(&text, " [", absl::StrJoin(pairs, ", "), "]");
  text += '\n';
  const std::string hint = HintFor(status, daemon);
  if (!hint.empty()) absl::StrAppend(&text, "  hint: ", hint, "\n");
  return text;
}

Json ErrorJson(const absl::Status& status) {
  Json error;
  error["code"] = absl::StatusCodeToString(status.code());
  if (const auto info = ErrorInfoOf(status); info.has_value()) {
    error["reason"] = info->reason();
    error["metadata"] = Json::object();
    for (const auto& [key, value] : SortedMetadata(*info)) error["metadata"][key] = value;
  }
  error["message"] = std::string(status.message());
  return error;
}

std::string FailureJson(const absl::Status& status, const Endpoint& daemon) {
  Json error = ErrorJson(status);
  if (const std::string hint = HintFor(status, daemon); !hint.empty()) error["hint"] = hint;
  Json line;
  line["error"] = error;
  return JsonLine(line);
}

}  // namespace walden::cli
