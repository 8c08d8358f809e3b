// Parts of the help texts that a CLI::App carries, in the shape that man pages and completions
// need.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace walden::reference {

// Options and positional arguments under one heading, such as "Credentials".
struct OptionGroup {
  std::string title;
  std::vector<const CLI::Option*> options;
};

// A paragraph of a footer. With a title, `lines` are indented lines below it, such as examples.
struct FooterPart {
  std::string title;
  std::vector<std::string> lines;
};

// The subcommands in the order of their definition.
std::vector<const CLI::App*> Commands(const CLI::App& app);

// The groups of `app` in the order of its help; positional arguments come first.
std::vector<OptionGroup> OptionGroups(const CLI::App& app);

// Options without positional arguments.
std::vector<const CLI::Option*> Flags(const CLI::App& app);

// "-r" and "--region": every spelling of an option; nothing for a positional argument.
std::vector<std::string> Spellings(const CLI::Option& option);

// The name of the value that an option takes, such as "FILE"; empty for a flag.
std::string ValueName(const CLI::Option& option);

// The description without the program's name in front of it.
std::string Summary(const CLI::App& app);

// The footer, cut at empty lines.
std::vector<FooterPart> FooterParts(const CLI::App& app);

}  // namespace walden::reference
