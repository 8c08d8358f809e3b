#include "deploy/packages/reference/completion.h"

#include <CLI/CLI.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "deploy/packages/reference/help_text.h"

namespace walden::reference {
namespace {

bool TakesFile(const CLI::Option& option) { return ValueName(option) == "FILE"; }
bool TakesDirectory(const CLI::Option& option) { return ValueName(option) == "DIR"; }

// The spellings of the options that `holds` accepts. Values are completed command by command: the same
// option name may take a file in one command and none in another.
std::string SpellingsWhere(const CLI::App& app, bool (*holds)(const CLI::Option&)) {
  std::vector<std::string> all;
  for (const CLI::Option* option : Flags(app)) {
    if (!holds(*option)) continue;
    for (const std::string& spelling : Spellings(*option)) all.push_back(spelling);
  }
  return absl::StrJoin(all, " ");
}

std::string CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : Commands(app)) names.push_back(command->get_name());
  return absl::StrJoin(names, " ");
}

// The completion of a command's arguments without a dash: "files", "directories" or "none".
std::string PositionalKind(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional()) continue;
    if (TakesFile(*option)) return "files";
    if (TakesDirectory(*option)) return "directories";
  }
  return "none";
}

std::string BashCase(const std::string& pattern, const CLI::App& app) {
  return absl::StrCat(
      "    ", pattern, ")\n      options='",
      SpellingsWhere(app, [](const CLI::Option&) { return true; }), "'\n      files='",
      SpellingsWhere(app, TakesFile), "'\n      directories='", SpellingsWhere(app, TakesDirectory),
      "'\n      values='",
      SpellingsWhere(app, [](const CLI::Option& option) { return !ValueName(option).empty(); }),
      "'\n      arguments=", PositionalKind(app), "\n      ;;\n");
}

// In single quotes of a shell.
std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}, {"\n", " "}}), "'");
}

// zsh reads brackets and colons of a description as its own.
std::string ZshText(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"[", "\\["}, {"]", "\\]"}, {":", "\\:"}});
}

std::string ZshAction(const std::string& value) {
  if (value == "FILE") return "_files";
  if (value == "DIR") return "_files -/";
  return " ";
}

std::string ZshOptions(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : Flags(app)) {
    const std::string value = ValueName(*option);
    for (const std::string& spelling : Spellings(*option)) {
      std::string spec = absl::StrCat("*", spelling, "[", ZshText(option->get_description()), "]");
      if (!value.empty()) absl::StrAppend(&spec, ":", ZshText(value), ":", ZshAction(value));
      absl::StrAppend(&text, " \\\n        ", Quoted(spec));
    }
  }
  const std::string positional = PositionalKind(app);
  if (positional == "files") text += " \\\n        '*:file:_files'";
  if (positional == "directories") text += " \\\n        '*:directory:_files -/'";
  return text;
}

std::string FishOptions(const std::string& name, const std::string& condition,
                        const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : Flags(app)) {
    absl::StrAppend(&text, "complete -c ", name, " -n ", Quoted(condition));
    for (const std::string& letter : option->get_snames()) absl::StrAppend(&text, " -s ", letter);
    for (const std::string& word : option->get_lnames()) absl::StrAppend(&text, " -l ", word);
    if (TakesFile(*option)) {
      text += " -r -F";
    } else if (TakesDirectory(*option)) {
      text += " -x -a '(__fish_complete_directories)'";
    } else if (!ValueName(*option).empty()) {
      text += " -x";
    }
    absl::StrAppend(&text, " -d ", Quoted(option->get_description()), "\n");
  }
  const std::string positional = PositionalKind(app);
  if (positional == "files") {
    absl::StrAppend(&text, "complete -c ", name, " -n ", Quoted(condition), " -F\n");
  } else if (positional == "directories") {
    absl::StrAppend(&text, "complete -c ", name, " -n ", Quoted(condition),
                    " -a '(__fish_complete_directories)'\n");
  }
  return text;
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  const std::string name = app.get_name();
  std::string cases = BashCase("''", app);
  for (const CLI::App* command : Commands(app)) cases += BashCase(command->get_name(), *command);
  return absl::StrCat("# Completion of ", name, " for bash, made from its help texts.\n_", name,
                      R"(() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local commands=')",
                      CommandNames(app), R"(' command='' candidate i
  local options='' files='' directories='' values='' arguments=none
  for ((i = 1; i < COMP_CWORD; i++)); do
    for candidate in $commands; do
      if [[ ${COMP_WORDS[i]} == "$candidate" ]]; then
        command=$candidate
        break 2
      fi
    done
  done
  case $command in
)",
                      cases, R"(  esac
  COMPREPLY=()
  if [[ " $files " == *" $previous "* ]]; then
    arguments=files
  elif [[ " $directories " == *" $previous "* ]]; then
    arguments=directories
  elif [[ " $values " == *" $previous "* ]]; then
    return
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    return
  elif [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
    return
  fi
  case $arguments in
    files) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    directories) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    none) return ;;
  esac
  compopt -o filenames 2>/dev/null
}
complete -F _)",
                      name, " ", name, "\n");
}

std::string ZshCompletion(const CLI::App& app) {
  const std::string name = app.get_name();
  std::string commands, cases;
  for (const CLI::App* command : Commands(app)) {
    absl::StrAppend(&commands, "        ",
                    Quoted(absl::StrCat(command->get_name(), ":", ZshText(Summary(*command)))),
                    "\n");
    absl::StrAppend(&cases, "    ", command->get_name(), ")\n      _arguments -s",
                    ZshOptions(*command), "\n      ;;\n");
  }
  return absl::StrCat("#compdef ", name, "\n# Completion of ", name,
                      " for zsh, made from its help texts.\n_", name, R"(() {
  local curcontext=$curcontext state line
  local -a commands
  _arguments -C -s)",
                      ZshOptions(app), R"( \
        '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      commands=(
)",
                      commands, R"(      )
      _describe command commands
      return
      ;;
  esac
  case $words[1] in
)",
                      cases, R"(  esac
}
_)",
                      name, " \"$@\"\n");
}

std::string FishCompletion(const CLI::App& app) {
  const std::string name = app.get_name();
  std::string text =
      absl::StrCat("# Completion of ", name, " for fish, made from its help texts.\n",
                   "complete -c ", name, " -f\n");
  for (const CLI::App* command : Commands(app)) {
    absl::StrAppend(&text, "complete -c ", name, " -n __fish_use_subcommand -a ",
                    command->get_name(), " -d ", Quoted(Summary(*command)), "\n");
  }
  text += FishOptions(name, "__fish_use_subcommand", app);
  for (const CLI::App* command : Commands(app)) {
    text += FishOptions(name, absl::StrCat("__fish_seen_subcommand_from ", command->get_name()),
                        *command);
  }
  return text;
}

}  // namespace walden::reference
