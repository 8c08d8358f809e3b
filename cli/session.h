// The common options, the console and the connection of a command.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/client/connection.h"
#include "cli/client/credentials.h"
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
  absl::Status PrintJson(const Json& object) { return out_.Write(JsonLine(object)); }

 private:
  const CommonOptions& common_;
  Interrupt& interrupt_;
  Output out_{1, "standard output"};
  Output err_{2, "standard error"};
  Credentials credentials_;
  std::unique_ptr<Connection> connection_;
};

// Filled in while the command line is parsed.
struct Program {
  CommonOptions common;
  bool needs_daemon = true;
  std::function<absl::Status(Session&)> command;  // the chosen one
};

// Adds a command with its description and examples, and the options that all of them have.
// `examples`: the lines below "Examples:".
CLI::App& AddCommand(CLI::App& app, Program& program, const std::string& name,
                     const std::string& description, std::initializer_list<const char*> examples);

// The same for a command that works on files, beside no daemon: of the common options it has
// --json.
CLI::App& AddOfflineCommand(CLI::App& app, Program& program, const std::string& name,
                            const std::string& description,
                            std::initializer_list<const char*> examples);

// Parse-time checks. They rewrite the text as plain decimal digits: CLI11 itself would take -1 as a
// huge number and 010 as eight.
CLI::Validator Number(uint64_t min = 0, uint64_t max = UINT64_MAX);
CLI::Validator ByteSize(uint64_t min, uint64_t max);
// The name of a namespace, as namespaces[].name of the configuration.
CLI::Validator NamespaceName();
// As milliseconds.
CLI::Validator Millis();

CLI::Option& AddRegion(CLI::App& command, uint64_t& region);
CLI::Option& AddTable(CLI::App& command, uint64_t& table);

// Gives `app` the options and commands of `walden`, with their help texts.
void DefineProgram(CLI::App& app, Program& program);

// Runs `walden` with the command line and returns its exit code.
int RunProgram(int argc, char** argv);

}  // namespace walden::cli
