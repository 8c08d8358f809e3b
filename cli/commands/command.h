// The commands of `walden` as the command line knows them: their options, help texts and what runs.
//
// The library that parses the command line is hidden in command.cc and program.cc: its header takes
// seconds to compile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/console/value_checks.h"
#include "cli/session.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace walden::cli {

// Help texts fit a terminal of this width.
inline constexpr size_t kHelpColumns = 80;

// CLI11 takes an argument such as "[a,b]" of an option with several values apart. KeepWhole adds a
// NUL, which no argument of a process contains, to a word in brackets. GivenWord removes it; the
// options below do so themselves.
std::string KeepWhole(std::string word);
std::string GivenWord(std::string word);

using RunCommand = std::function<absl::Status(Session&)>;

// Filled in while the command line is parsed.
struct Program {
  CommonOptions common;
  bool needs_daemon = true;
  RunCommand run;  // of the chosen command
};

// An option or argument of a command. Copies stand for the same option.
class Option {
 public:
  explicit Option(CLI::Option& option) : option_(&option) {}

  Option Check(const ValueCheck& check) const;
  // The name of its value in the help text.
  Option Value(const std::string& name) const;
  Option Group(const std::string& name) const;
  Option Required() const;
  // The other option must not be given beside this one.
  Option Excludes(Option other) const;
  // The other option must be given beside this one.
  Option Needs(Option other) const;

 private:
  CLI::Option* option_;
};

// One command, or the program itself. `to` gets the value and must outlive the parsing; where
// nothing is given, it keeps its value. Copies stand for the same command.
class Command {
 public:
  Command(CLI::App& app, Program& program, bool needs_daemon = true)
      : app_(&app), program_(&program), needs_daemon_(needs_daemon) {}

  // Names like "-n,--limit" are of an option, others of an argument.
  Option Add(const std::string& names, uint64_t& to, const std::string& description);
  Option Add(const std::string& names, std::optional<uint64_t>& to, const std::string& description);
  Option Add(const std::string& names, std::string& to, const std::string& description);
  Option Add(const std::string& names, std::optional<std::string>& to,
             const std::string& description);
  // May be given several times.
  Option Add(const std::string& names, std::vector<uint64_t>& to, const std::string& description);
  Option Add(const std::string& names, std::vector<std::string>& to,
             const std::string& description);
  Option AddFlag(const std::string& names, bool& to, const std::string& description);
  // Calls `take` with the value.
  Option AddTaken(const std::string& names, std::function<void(const std::string&)> take,
                  const std::string& description);

  // -r,--region and -t,--table, which most commands require.
  Option AddRegion(uint64_t& region);
  Option AddTable(uint64_t& table);

  // Calls `run` with the session if this is the chosen command.
  void Runs(RunCommand run);

 private:
  CLI::App* app_;
  Program* program_;
  bool needs_daemon_;
};

// The commands that `walden` has.
class CommandSet {
 public:
  CommandSet(CLI::App& app, Program& program) : app_(app), program_(program) {}

  // Adds a command with the common options. The first line of the description is also in
  // `walden --help`. `examples`: the lines below "Examples:".
  Command Add(const std::string& name, const std::string& description,
              std::initializer_list<const char*> examples);

  // Adds a command that works on files and asks no daemon: of the common options it has --json.
  Command AddOffline(const std::string& name, const std::string& description,
                     std::initializer_list<const char*> examples);

 private:
  CLI::App& AddSubcommand(const std::string& name, const std::string& description,
                          std::initializer_list<const char*> examples);

  CLI::App& app_;
  Program& program_;
};

// Adds the options that every command with a daemon has, and `walden` itself before the command.
void AddCommonOptions(Command command, CommonOptions& common);

}  // namespace walden::cli
