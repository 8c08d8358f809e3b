#include "cli/commands/program.h"

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/nearest_name.h"
#include "base/version.h"
#include "cli/client/admin_pages.h"
#include "cli/commands/commands.h"
#include "cli/console/exit_code.h"
#include "cli/console/failure.h"
#include "cli/console/wording.h"

namespace walden::cli {
namespace {

constexpr char kDescription[] =
    "walden: append to, read and manage write-ahead logs in a running waldend.";

constexpr char kConcepts[] =
    "A record is in a table, a table in a region, a region in a namespace. All have a\n"
    "number as their id.\n"
    "`walden COMMAND --help` explains each command and shows examples.\n";

// Sets the options that have an environment variable. The command line overrides them.
void ReadEnvironment(CommonOptions& common) {
  const auto read = [](const char* variable, std::string& to) {
    const char* const value = std::getenv(variable);
    if (value != nullptr && *value != '\0') to = value;
  };
  read("WALDEN_ADDRESS", common.address);
  read("WALDEN_TLS_CA", common.credentials.tls_ca);
  read("WALDEN_TLS_CERT", common.credentials.tls_certificate);
  read("WALDEN_TLS_KEY", common.credentials.tls_key);
  read("WALDEN_TLS_SERVER_NAME", common.credentials.tls_server_name);
  read("WALDEN_TOKEN_FILE", common.credentials.token_file);
}

void DefineCommands(CommandSet& commands) {
  AddAppendCommand(commands);
  AddOpenProducerCommand(commands);
  AddReadCommand(commands);
  AddTailCommand(commands);
  AddMarkDeletedCommand(commands);
  AddFenceCommand(commands);
  AddRecoverCommand(commands);
  AddPutCommand(commands);
  AddGetCommand(commands);
  AddScanCommand(commands);
  AddFlushCommand(commands);
  AddFinalizeCommand(commands);
  AddNamespacesCommand(commands);
  AddRegionsCommand(commands);
  AddDescribeCommand(commands);
  AddVerifyCommand(commands);
  AddSyncCommand(commands);
  AddCloseCommand(commands);
  AddDropCommand(commands);
  AddStatusCommand(commands);
  AddInfoCommand(commands);
  AddStatsCommand(commands);
  AddHealthCommand(commands);
  AddInspectCommand(commands);
  AddAdoptCommand(commands);
  AddMigrateCommand(commands);
  AddImportCommand(commands);
  AddTokenCommand(commands);
  AddBackupCommand(commands);
  AddVerifyBackupCommand(commands);
  AddRestoreCommand(commands);
  AddBenchCommand(commands);
}

// Asks the daemon for the id of a namespace that was given by name.
absl::Status ResolveNamespace(Session& session, CommonOptions& common) {
  if (common.namespace_name.empty()) return absl::OkStatus();
  const auto answer = ListNamespaces(session.connection());
  if (!answer.ok()) return answer.status();
  std::vector<std::string> names;
  for (const v1::NamespaceInfo& info : answer->namespaces()) {
    if (info.name() == common.namespace_name) common.namespace_id = info.namespace_id();
    names.push_back(info.name());
  }
  if (common.namespace_id != 0) return absl::OkStatus();
  return Failure(absl::StatusCode::kNotFound, "UNKNOWN_NAMESPACE",
                 absl::StrCat("the daemon has no namespace \"", common.namespace_name, "\"",
                              DidYouMean(common.namespace_name, names)),
                 {{"field", "namespace_id"}, {"value", common.namespace_name}});
}

absl::Status RunChosen(Program& program, Session& session) {
  if (program.needs_daemon) {
    absl::Status address = CheckAddress(program.common.address);
    if (!address.ok()) return address;
    absl::StatusOr<Credentials> credentials =
        LoadCredentials(program.common.credentials, program.common.address);
    if (!credentials.ok()) return credentials.status();
    session.SetCredentials(*std::move(credentials));
    absl::Status resolved = ResolveNamespace(session, program.common);
    if (!resolved.ok()) return resolved;
  }
  absl::Status status = program.run(session);
  // The output must have been written, also when the command failed later.
  absl::Status flushed = session.out().Flush();
  return status.ok() ? flushed : status;
}

// Prints help, version or the usage error.
int FinishParse(const CLI::App& app, const CLI::ParseError& error) {
  const int code = app.exit(error);
  return code == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
}

// Every option of a command, and the commands below it.
std::vector<std::string> KnownWords(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  for (const CLI::App* command : app.get_subcommands({})) words.push_back(command->get_name());
  return words;
}

// The message of CLI11, but an unknown command or option by its name.
std::string UsageProblem(const CLI::App& app, const CLI::Error& error) {
  std::vector<std::string> rest = app.remaining();
  for (std::string& word : rest) word = GivenWord(std::move(word));
  // A word that is not known may be the one that is missing.
  const bool may_be_word = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                           dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  if (rest.empty() || !may_be_word) return error.what();
  // An option that is not known leaves its value among them, as a word of its own.
  const auto option = std::find_if(rest.begin(), rest.end(), [](const std::string& left) {
    return absl::StartsWith(left, "-");
  });
  const std::string& first = option == rest.end() ? rest.front() : *option;
  const std::string word = first.substr(0, first.find('='));
  const std::string near = DidYouMean(word, KnownWords(app));
  if (absl::StartsWith(word, "-")) return absl::StrCat("unknown option ", word, near);
  if (app.get_parent() == nullptr) return absl::StrCat("unknown command ", word, near);
  return absl::StrCat("unexpected argument ", word);
}

std::string UsageError(const CLI::App* app, const CLI::Error& error) {
  for (const CLI::App* used = app;;) {
    const auto chosen = used->get_subcommands();
    // Arguments in front of a command belong to the program, not to the command.
    if (chosen.empty() || !used->remaining().empty()) {
      const std::string name = used == app ? "walden" : absl::StrCat("walden ", used->get_name());
      return absl::StrCat(name, ": ", UsageProblem(*used, error), "\n  hint: `", name,
                          " --help` explains it\n");
    }
    used = chosen.front();
  }
}

// CLI11 itself does not wrap descriptions.
class WrappingFormatter final : public CLI::Formatter {
 public:
  WrappingFormatter() { column_width(kNameColumns); }

  std::string make_description(const CLI::App* app) const override {
    return absl::StrCat(Wrapped(app->get_description(), kHelpColumns), "\n");
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    return Wrapped(option->get_description(), kHelpColumns - kNameColumns);
  }
  std::string make_subcommand(const CLI::App* command) const override {
    std::stringstream text;
    CLI::detail::format_help(text, command->get_name(),
                             Wrapped(command->get_description(), kHelpColumns - kNameColumns),
                             kNameColumns);
    return text.str();
  }

 private:
  static constexpr size_t kNameColumns = 34;
};

// The arguments as CLI11 parses them: the last one first.
std::vector<std::string> ReversedWords(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = argc - 1; i > 0; --i) words.push_back(KeepWhole(argv[i]));
  return words;
}

}  // namespace

void DefineProgram(CLI::App& app, Program& program) {
  app.name("walden");
  app.description(kDescription);
  app.formatter(std::make_shared<WrappingFormatter>());
  app.set_version_flag("--version", VersionText("walden"));
  app.require_subcommand(1);
  app.failure_message(UsageError);
  app.footer(absl::StrCat(kConcepts, "\n", ExitCodeHelp()));
  AddCommonOptions(Command(app, program), program.common);
  CommandSet commands(app, program);
  DefineCommands(commands);
}

int RunProgram(int argc, char** argv) {
  (void)signal(SIGXFSZ, SIG_IGN);             // an error of the write
  (void)signal(SIGPIPE, SIG_IGN);             // Output reports it
  (void)setenv("GRPC_VERBOSITY", "NONE", 0);  // what matters reaches us as a status
  Interrupt interrupt;                        // before gRPC starts threads

  Program program;
  ReadEnvironment(program.common);
  CLI::App app;
  DefineProgram(app, program);
  try {
    app.parse(ReversedWords(argc, argv));
  } catch (const CLI::ParseError& error) {
    return FinishParse(app, error);
  }

  Session session(program.common, interrupt);
  const absl::Status status = RunChosen(program, session);
  const ExitCode code = ExitCodeOf(status);
  if (code != ExitCode::kDone && code != ExitCode::kOutputClosed) {
    const Endpoint daemon = program.common.endpoint();
    (void)session.err().Write(session.json() ? FailureJson(status, daemon)
                                             : FailureText(status, daemon));
    (void)session.err().Flush();
  }
  return static_cast<int>(code);
}

}  // namespace walden::cli
