// The session of a command: the common options, the console and the connection to the daemon.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/client/connection.h"
#include "cli/client/credentials.h"
#include "cli/console/failure.h"
#include "cli/console/interrupt.h"
#include "cli/console/json.h"
#include "cli/console/output.h"

namespace walden::cli {

struct CommonOptions {
  std::string address = "127.0.0.1:7070";
  uint32_t namespace_id = 0;   // 0: the daemon's default
  std::string namespace_name;  // as it was given; its id is known once the command runs
  std::optional<uint64_t> timeout_millis;
  bool json = false;
  CredentialOptions credentials;

  Endpoint endpoint() const { return {address, UsesTls(credentials, address)}; }
};

// One run of one command. One thread at a time.
class Session {
 public:
  Session(const CommonOptions& common, Interrupt& interrupt)
      : common_(common), interrupt_(interrupt) {}

  const CommonOptions& common() const { return common_; }
  bool json() const { return common_.json; }
  Output& out() { return out_; }
  Output& err() { return err_; }
  Interrupt& interrupt() { return interrupt_; }
  Connection& connection();
  // Before the first connection().
  void SetCredentials(Credentials credentials) { credentials_ = std::move(credentials); }

  // A line for people on standard error; nothing with --json.
  void Note(absl::string_view line);

  // A line for programs on standard output.
  absl::Status PrintJson(const Json& object);
  // Every field of the message, as ToJson.
  absl::Status PrintMessage(const google::protobuf::Message& message);

 private:
  const CommonOptions& common_;
  Interrupt& interrupt_;
  Output out_{1, "standard output"};
  Output err_{2, "standard error"};
  Credentials credentials_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace walden::cli
