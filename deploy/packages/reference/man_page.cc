#include "deploy/packages/reference/man_page.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "deploy/packages/reference/help_text.h"

namespace walden::reference {
namespace {

constexpr char kCommonOptions[] = "Common options";
constexpr char kCredentials[] = "Credentials";

// Escapes what troff would read as a request, an escape or a typographic character.
std::string Escaped(const std::string& text) {
  std::string escaped = absl::StrReplaceAll(text, {{"\\", "\\e"},
                                                   {"-", "\\-"},
                                                   {"'", "\\(aq"},
                                                   {"`", "\\(ga"},
                                                   {"^", "\\(ha"},
                                                   {"~", "\\(ti"}});
  if (absl::StartsWith(escaped, ".")) escaped.insert(0, "\\&");
  return escaped;
}

std::string Bold(const std::string& text) { return absl::StrCat("\\fB", Escaped(text), "\\fR"); }
std::string Italic(const std::string& text) { return absl::StrCat("\\fI", Escaped(text), "\\fR"); }

std::string OptionTerm(const CLI::Option& option) {
  if (option.get_positional()) return Italic(option.get_single_name());
  std::vector<std::string> spellings = Spellings(option);
  for (std::string& spelling : spellings) spelling = Bold(spelling);
  const std::string value = ValueName(option);
  return absl::StrCat(absl::StrJoin(spellings, ", "), value.empty() ? "" : " ",
                      value.empty() ? "" : Italic(value));
}

std::string OthersOf(const char* relation, const std::set<CLI::Option*>& others) {
  std::vector<std::string> names;
  for (const CLI::Option* other : others) names.push_back(other->get_name());
  std::sort(names.begin(), names.end());
  if (names.empty()) return "";
  return absl::StrCat(" ", relation, " ", Escaped(absl::StrJoin(names, ", ")), ".");
}

std::string OptionEntry(const CLI::Option& option) {
  std::string description = Escaped(absl::StrReplaceAll(option.get_description(), {{"\n", " "}}));
  if (!description.empty() && !absl::EndsWith(description, ".")) description += ".";
  return absl::StrCat(
      ".TP\n", OptionTerm(option), "\n", description, option.get_required() ? " Required." : "",
      OthersOf("Only with", option.get_needs()), OthersOf("Not with", option.get_excludes()), "\n");
}

std::string Preformatted(const std::vector<std::string>& lines) {
  std::string text = ".PP\n.nf\n";
  for (const std::string& line : lines) absl::StrAppend(&text, Escaped(line), "\n");
  return text + ".fi\n";
}

std::string Paragraph(const std::vector<std::string>& lines) {
  std::string text = ".PP\n";
  for (const std::string& line : lines) absl::StrAppend(&text, Escaped(line), "\n.br\n");
  return text;
}

// "walden append [OPTIONS] [payloads...]"
std::string Usage(const std::string& program, const CLI::App& app) {
  std::string usage = absl::StrCat(Bold(program), " [", Italic("OPTIONS"), "]");
  if (!Commands(app).empty()) absl::StrAppend(&usage, " ", Italic("COMMAND"), " ...");
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    const std::string many = option->get_expected_max() > 1 ? "..." : "";
    const std::string name = absl::StrCat(Italic(option->get_single_name()), many);
    absl::StrAppend(&usage, " ", option->get_required() ? name : absl::StrCat("[", name, "]"));
  }
  return usage;
}

std::string GroupEntries(const OptionGroup& group) {
  std::string text;
  for (const CLI::Option* option : group.options) text += OptionEntry(*option);
  return text;
}

// The options that all commands share and the exit codes stand once, in sections of their own.
std::string CommandSection(const CLI::App& program, const CLI::App& command) {
  const std::string name = absl::StrCat(program.get_name(), " ", command.get_name());
  std::string text = absl::StrCat(".SS ", command.get_name(), "\n", Usage(name, command), "\n.PP\n",
                                  Escaped(Summary(command)), "\n");
  for (const OptionGroup& group : OptionGroups(command)) {
    if (group.title == kCommonOptions || group.title == kCredentials) continue;
    for (const CLI::Option* option : group.options) {
      if (option != command.get_help_ptr()) text += OptionEntry(*option);
    }
  }
  for (const FooterPart& part : FooterParts(command)) {
    if (part.title.empty()) {
      text += Paragraph(part.lines);
    } else if (part.title != "Exit codes") {
      absl::StrAppend(&text, ".PP\n", Escaped(part.title), ":\n", Preformatted(part.lines));
    }
  }
  return text;
}

std::string CommandsSection(const CLI::App& app) {
  std::string text;
  for (const CLI::App* command : Commands(app)) text += CommandSection(app, *command);
  return text.empty() ? "" : absl::StrCat(".SH COMMANDS\n", text);
}

}  // namespace

std::string ManPage(const CLI::App& app, int section, const std::string& version,
                    const std::string& see_also) {
  const std::string name = app.get_name();
  std::string text =
      absl::StrCat(".TH ", absl::AsciiStrToUpper(name), " ", section, " \"\" \"Walden ", version,
                   "\" \"Walden\"\n.SH NAME\n", name, " \\- ", Escaped(Summary(app)),
                   "\n.SH SYNOPSIS\n", Usage(name, app), "\n");
  std::string description, titled;
  for (const FooterPart& part : FooterParts(app)) {
    if (part.title.empty()) {
      description += Paragraph(part.lines);
    } else {
      const std::string title = part.title == "Exit codes" ? "Exit status" : part.title;
      absl::StrAppend(&titled, ".SH ", absl::AsciiStrToUpper(title), "\n",
                      Preformatted(part.lines));
    }
  }
  if (!description.empty()) absl::StrAppend(&text, ".SH DESCRIPTION\n", description);
  for (const OptionGroup& group : OptionGroups(app)) {
    absl::StrAppend(&text, ".SH ", absl::AsciiStrToUpper(group.title), "\n", GroupEntries(group));
  }
  return absl::StrCat(text, CommandsSection(app), titled, ".SH SEE ALSO\n", Escaped(see_also),
                      "\n");
}

}  // namespace walden::reference
