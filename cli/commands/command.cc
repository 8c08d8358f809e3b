#include "cli/commands/command.h"

#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/console/exit_code.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"

namespace walden::cli {
namespace {

// Removes what KeepWhole added from each value, after the checks.
Option TakesWholeWords(CLI::Option& option) {
  option.transform(CLI::Validator(
      [](std::string& word) {
        word = GivenWord(std::move(word));
        return std::string();
      },
      ""));
  return Option(option);
}

}  // namespace

std::string KeepWhole(std::string word) {
  if (word.size() > 1 && word.front() == '[' && word.back() == ']') word.push_back('\0');
  return word;
}

std::string GivenWord(std::string word) {
  if (!word.empty() && word.back() == '\0') word.pop_back();
  return word;
}

// CLI11 calls the check that was added last first.
Option Option::Check(const ValueCheck& check) const {
  option_->transform(CLI::Validator(
      [check](std::string& word) {
        word = GivenWord(std::move(word));
        return check(word);
      },
      ""));
  return *this;
}

Option Option::Value(const std::string& name) const {
  option_->type_name(name);
  return *this;
}

Option Option::Group(const std::string& name) const {
  option_->group(name);
  return *this;
}

Option Option::Required() const {
  option_->required();
  return *this;
}

Option Option::Excludes(Option other) const {
  option_->excludes(other.option_);
  return *this;
}

Option Option::Needs(Option other) const {
  option_->needs(other.option_);
  return *this;
}

Option Command::Add(const std::string& names, uint64_t& to, const std::string& description) {
  return TakesWholeWords(*app_->add_option(names, to, description));
}

Option Command::Add(const std::string& names, std::optional<uint64_t>& to,
                    const std::string& description) {
  return TakesWholeWords(*app_->add_option(names, to, description));
}

Option Command::Add(const std::string& names, std::string& to, const std::string& description) {
  return TakesWholeWords(*app_->add_option(names, to, description));
}

Option Command::Add(const std::string& names, std::optional<std::string>& to,
                    const std::string& description) {
  return TakesWholeWords(*app_->add_option(names, to, description));
}

Option Command::Add(const std::string& names, std::vector<uint64_t>& to,
                    const std::string& description) {
  return TakesWholeWords(*app_->add_option(names, to, description));
}

Option Command::Add(const std::string& names, std::vector<std::string>& to,
                    const std::string& description) {
  return TakesWholeWords(*app_->add_option(names, to, description));
}

Option Command::AddFlag(const std::string& names, bool& to, const std::string& description) {
  return Option(*app_->add_flag(names, to, description));
}

Option Command::AddTaken(const std::string& names, std::function<void(const std::string&)> take,
                         const std::string& description) {
  return TakesWholeWords(
      *app_->add_option_function<std::string>(names, std::move(take), description));
}

Option Command::AddRegion(uint64_t& region) {
  return Add("-r,--region", region, "Region id").Check(Number()).Value("ID");
}

Option Command::AddTable(uint64_t& table) {
  return Add("-t,--table", table, "Table id").Check(Number()).Value("ID");
}

void Command::Runs(RunCommand run) {
  app_->callback([program = program_, needs_daemon = needs_daemon_, run = std::move(run)] {
    program->needs_daemon = needs_daemon;
    program->run = run;
  });
}

namespace {

void AddJson(Command command, CommonOptions& common) {
  command
      .AddFlag("--json", common.json,
               "One JSON object per line, errors too; integers above 2^53 are strings")
      .Group("Common options");
}

// A token itself is never on the command line, where every user of the machine can see it.
void AddCredentialOptions(Command command, CredentialOptions& credentials) {
  const auto add = [&command](const char* option, std::string& to, const char* description) {
    return command.Add(option, to, description).Value("FILE").Group("Credentials");
  };
  add("--tls-ca", credentials.tls_ca,
      "Use TLS. The file holds the certificate (PEM) of the authority that signed the daemon's "
      "certificate. A unix socket never uses TLS. Also WALDEN_TLS_CA");
  add("--tls-cert", credentials.tls_certificate,
      "Certificate of the caller (PEM), for a daemon that wants one. Also WALDEN_TLS_CERT");
  add("--tls-key", credentials.tls_key,
      "Private key of that certificate (PEM). Also WALDEN_TLS_KEY");
  add("--tls-server-name", credentials.tls_server_name,
      "Name in the daemon's certificate, if it differs from the address. Also "
      "WALDEN_TLS_SERVER_NAME")
      .Value("NAME");
  add("--token-file", credentials.token_file,
      "File with the token of the caller. Also WALDEN_TOKEN_FILE");
}

}  // namespace

void AddCommonOptions(Command command, CommonOptions& common) {
  command
      .Add("-a,--address", common.address,
           "Daemon: host:port or unix:/path (default 127.0.0.1:7070). Also WALDEN_ADDRESS")
      .Value("ADDRESS")
      .Group("Common options");
  command
      .AddTaken(
          "--namespace",
          [&common](const std::string& text) {
            const auto id = ParseNumber(text);
            common.namespace_id = static_cast<uint32_t>(id.value_or(0));
            common.namespace_name = id.has_value() ? "" : text;
          },
          "Namespace by id, 1 to 255, or by name (default: the daemon's default namespace)")
      .Check(NamespaceIdOrName())
      .Value("ID|NAME")
      .Group("Common options");
  command
      .Add("--timeout", common.timeout_millis,
           "Give up after this long, e.g. 500ms or 10s (default 30s, none for streams)")
      .Check(Millis())
      .Value("DURATION")
      .Group("Common options");
  AddJson(command, common);
  AddCredentialOptions(command, common.credentials);
}

Command CommandSet::Add(const std::string& name, const std::string& description,
                        std::initializer_list<const char*> examples) {
  const Command command(AddSubcommand(name, description, examples), program_);
  AddCommonOptions(command, program_.common);
  return command;
}

Command CommandSet::AddOffline(const std::string& name, const std::string& description,
                               std::initializer_list<const char*> examples) {
  const Command command(AddSubcommand(name, description, examples), program_,
                        /*needs_daemon=*/false);
  AddJson(command, program_.common);
  return command;
}

CLI::App& CommandSet::AddSubcommand(const std::string& name, const std::string& description,
                                    std::initializer_list<const char*> examples) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(description, absl::MaxSplits('\n', 1));
  CLI::App& command = *app_.add_subcommand(name, parts.first);
  std::string footer =
      parts.second.empty() ? "" : absl::StrCat(Wrapped(parts.second, kHelpColumns), "\n\n");
  footer += "Examples:\n";
  for (const char* example : examples) absl::StrAppend(&footer, "  ", example, "\n");
  command.footer(absl::StrCat(footer, "\n", ExitCodeHelp()));
  return command;
}

}  // namespace walden::cli
