#include "cli/session.h"

#include <signal.h>
#include <algorithm>

#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/byte_size.h"
#include "base/nearest_name.h"
#include "base/version.h"
#include "cli/commands/commands.h"
#include "cli/console/exit_code.h"
#include "cli/console/failure.h"
#include "cli/console/units.h"

namespace walden::cli {
namespace {

constexpr char kDescription[] =
    "walden: append to, read and manage write-ahead logs in a running waldend.";

constexpr char kConcepts[] =
    "A record lives in a table, a table in a region, a region in a namespace; all are numbers.\n"
    "`walden COMMAND --help` explains each command and shows examples.\n";

void AddJson(CLI::App& app, CommonOptions& common) {
  app.add_flag("--json", common.json,
               "One JSON object per line, errors too; integers above 2^53 are strings")
      ->group("Common options");
}

// A token itself is never on the command line, where every user of the machine can see it.
void AddCredentialOptions(CLI::App& app, CredentialOptions& credentials) {
  const auto add = [&app](const char* option, std::string& to, const char* description) {
    app.add_option(option, to, description)->type_name("FILE")->group("Credentials");
  };
  add("--tls-ca", credentials.tls_ca,
      "Speak TLS, with a daemon whose certificate is from this authority (PEM; or WALDEN_TLS_CA); "
      "not on unix sockets");
  add("--tls-cert", credentials.tls_certificate,
      "Own certificate, where the daemon wants one (or WALDEN_TLS_CERT)");
  add("--tls-key", credentials.tls_key, "Its key (or WALDEN_TLS_KEY)");
  app.add_option("--tls-server-name", credentials.tls_server_name,
                 "Name in the daemon's certificate, if not the address's (or "
                 "WALDEN_TLS_SERVER_NAME)")
      ->type_name("NAME")
      ->group("Credentials");
  add("--token-file", credentials.token_file,
      "File with the token that identifies the caller (or WALDEN_TOKEN_FILE)");
}

// What variables say, options may say otherwise.
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

// A number is an id, anything else a name.
CLI::Validator NamespaceIdOrName() {
  return CLI::Validator(
      [](std::string& text) {
        const bool is_number = text.find_first_not_of("0123456789") == std::string::npos;
        std::string copy = text;
        return is_number ? Number(0, 255)(copy) : NamespaceName()(copy);
      },
      "");
}

void AddCommonOptions(CLI::App& app, CommonOptions& common) {
  app.add_option("-a,--address", common.address,
                 "Daemon: host:port or unix:/path (default 127.0.0.1:7070, or WALDEN_ADDRESS)")
      ->type_name("ADDRESS")
      ->group("Common options");
  app.add_option_function<std::string>(
         "--namespace",
         [&common](const std::string& text) {
           const auto id = ParseNumber(text);
           common.namespace_id = static_cast<uint32_t>(id.value_or(0));
           common.namespace_name = id.has_value() ? "" : text;
         },
         "Namespace by id 1..255 or by name (default: the daemon's)")
      ->check(NamespaceIdOrName())
      ->type_name("ID|NAME")
      ->group("Common options");
  app.add_option("--timeout", common.timeout_millis,
                 "Give up after this long, e.g. 500ms or 10s (default: 30s, none for streams)")
      ->transform(Millis())
      ->type_name("DURATION")
      ->group("Common options");
  AddJson(app, common);
  AddCredentialOptions(app, common.credentials);
}

void DefineCommands(CLI::App& app, Program& program) {
  AddAppendCommand(app, program);
  AddOpenProducerCommand(app, program);
  AddReadCommand(app, program);
  AddTailCommand(app, program);
  AddMarkDeletedCommand(app, program);
  AddRecoverCommand(app, program);
  AddPutCommand(app, program);
  AddGetCommand(app, program);
  AddScanCommand(app, program);
  AddFlushCommand(app, program);
  AddFinalizeCommand(app, program);
  AddNamespacesCommand(app, program);
  AddRegionsCommand(app, program);
  AddDescribeCommand(app, program);
  AddVerifyCommand(app, program);
  AddSyncCommand(app, program);
  AddCloseCommand(app, program);
  AddDropCommand(app, program);
  AddStatusCommand(app, program);
  AddStatsCommand(app, program);
  AddHealthCommand(app, program);
  AddInspectCommand(app, program);
  AddAdoptCommand(app, program);
  AddMigrateCommand(app, program);
  AddImportCommand(app, program);
  AddTokenCommand(app, program);
  AddBackupCommand(app, program);
  AddVerifyBackupCommand(app, program);
  AddRestoreCommand(app, program);
  AddBenchCommand(app, program);
}

// Asks the daemon for the id of a namespace that was given by name.
absl::Status ResolveNamespace(Session& session, CommonOptions& common) {
  if (common.namespace_name.empty()) return absl::OkStatus();
  Connection& connection = session.connection();
  v1::ListNamespacesResponse answer;
  absl::Status asked = connection.Unary(&v1::AdminService::Stub::ListNamespaces, connection.admin(),
                                        v1::ListNamespacesRequest(), &answer);
  if (!asked.ok()) return asked;
  std::vector<std::string> names;
  for (const v1::NamespaceInfo& info : answer.namespaces()) {
    if (info.name() == common.namespace_name) common.namespace_id = info.id();
    names.push_back(info.name());
  }
  if (common.namespace_id != 0) return absl::OkStatus();
  return Failure(absl::StatusCode::kNotFound, "UNKNOWN_NAMESPACE",
                 absl::StrCat("the daemon has no namespace \"", common.namespace_name, "\"",
                              DidYouMean(common.namespace_name, names)),
                 {{"field", "namespace"}, {"value", common.namespace_name}});
}

absl::Status RunCommand(Program& program, Session& session) {
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
  absl::Status status = program.command(session);
  // What was printed must have arrived, also when the command failed later.
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
  const std::vector<std::string> rest = app.remaining();
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

}  // namespace

Connection& Session::connection() {
  if (connection_ == nullptr) {
    std::optional<absl::Duration> timeout;
    if (common_.timeout_millis.has_value()) {
      timeout = absl::Milliseconds(static_cast<int64_t>(*common_.timeout_millis));
    }
    connection_ = std::make_unique<Connection>(common_.address, credentials_, timeout, interrupt_);
  }
  return *connection_;
}

void Session::Note(absl::string_view line) {
  if (json()) return;
  (void)err_.Write(absl::StrCat(line, "\n"));
  (void)err_.Flush();
}

namespace {

CLI::App& AddSubcommand(CLI::App& app, const std::string& name, const std::string& description,
                        std::initializer_list<const char*> examples) {
  // The first line stands in `walden --help`, the rest only in the command's own.
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(description, absl::MaxSplits('\n', 1));
  CLI::App& command = *app.add_subcommand(name, parts.first);
  std::string footer = parts.second.empty() ? "" : absl::StrCat(parts.second, "\n\n");
  footer += "Examples:\n";
  for (const char* example : examples) absl::StrAppend(&footer, "  ", example, "\n");
  command.footer(absl::StrCat(footer, "\n", ExitCodeHelp()));
  return command;
}

}  // namespace

CLI::App& AddCommand(CLI::App& app, Program& program, const std::string& name,
                     const std::string& description, std::initializer_list<const char*> examples) {
  CLI::App& command = AddSubcommand(app, name, description, examples);
  AddCommonOptions(command, program.common);
  return command;
}

CLI::App& AddOfflineCommand(CLI::App& app, Program& program, const std::string& name,
                            const std::string& description,
                            std::initializer_list<const char*> examples) {
  CLI::App& command = AddSubcommand(app, name, description, examples);
  AddJson(command, program.common);
  return command;
}

CLI::Validator Number(uint64_t min, uint64_t max) {
  return CLI::Validator(
      [min, max](std::string& text) {
        const auto number = ParseNumber(text);
        if (!number.has_value() || *number < min || *number > max) {
          return absl::StrCat("\"", text, "\" is not a number from ", min, " to ", max);
        }
        text = absl::StrCat(*number);
        return std::string();
      },
      "");
}

CLI::Validator ByteSize(uint64_t min, uint64_t max) {
  return CLI::Validator(
      [min, max](std::string& text) {
        const auto bytes = ParseByteSize(text);
        if (!bytes.ok() || bytes->bytes < min || bytes->bytes > max) {
          return absl::StrCat("\"", text, "\" is not a size from ", FormatByteSize({min}), " to ",
                              FormatByteSize({max}), ", such as 4096, 64KiB or 1MiB");
        }
        text = absl::StrCat(bytes->bytes);
        return std::string();
      },
      "");
}

CLI::Validator NamespaceName() {
  return CLI::Validator(
      [](std::string& name) {
        const bool known =
            name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
        if (known && !name.empty() && name.size() <= 64) return std::string();
        return absl::StrCat("\"", name,
                            "\" is not a namespace's name: 1 to 64 of a-z, 0-9, _ and -");
      },
      "");
}

CLI::Validator Millis() {
  return CLI::Validator(
      [](std::string& text) {
        const auto duration = ParseDuration(text);
        if (!duration.has_value() || *duration < absl::Milliseconds(1) ||
            *duration > absl::Hours(24 * 365)) {
          return absl::StrCat("\"", text, "\" is not a duration from 1ms to 8760h, such as 10s");
        }
        text = absl::StrCat(absl::ToInt64Milliseconds(*duration));
        return std::string();
      },
      "");
}

CLI::Option& AddRegion(CLI::App& command, uint64_t& region) {
  return *command.add_option("-r,--region", region, "Region id")
              ->transform(Number())
              ->type_name("ID");
}

CLI::Option& AddTable(CLI::App& command, uint64_t& table) {
  return *command.add_option("-t,--table", table, "Table id")->transform(Number())->type_name("ID");
}

void DefineProgram(CLI::App& app, Program& program) {
  app.name("walden");
  app.description(kDescription);
  app.get_formatter()->column_width(34);
  app.set_version_flag("--version", VersionText("walden"));
  app.require_subcommand(1);
  app.failure_message(UsageError);
  app.footer(absl::StrCat(kConcepts, "\n", ExitCodeHelp()));
  AddCommonOptions(app, program.common);
  DefineCommands(app, program);
}

int RunProgram(int argc, char** argv) {
  (void)signal(SIGPIPE, SIG_IGN);             // Output reports it
  (void)setenv("GRPC_VERBOSITY", "NONE", 0);  // what matters reaches us as a status
  Interrupt interrupt;                        // before gRPC starts threads

  Program program;
  ReadEnvironment(program.common);
  CLI::App app;
  DefineProgram(app, program);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return FinishParse(app, error);
  }

  Session session(program.common, interrupt);
  const absl::Status status = RunCommand(program, session);
  const ExitCode code = ExitCodeOf(status);
  if (code != ExitCode::kDone && code != ExitCode::kOutputClosed) {
    const std::string& address = program.common.address;
    (void)session.err().Write(session.json() ? FailureJson(status, address)
                                             : FailureText(status, address));
    (void)session.err().Flush();
  }
  return static_cast<int>(code);
}

}  // namespace walden::cli
