#include "deploy/packages/reference/help_text.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace walden::reference {

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_name().empty(); });
}

std::vector<OptionGroup> OptionGroups(const CLI::App& app) {
  std::vector<OptionGroup> groups = {{"Arguments", {}}, {"Options", {}}};
  for (const CLI::Option* option : app.get_options()) {
    const std::string& title = option->get_positional() ? "Arguments" : option->get_group();
    if (title.empty()) continue;  // hidden
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const OptionGroup& known) { return known.title == title; });
    if (group == groups.end()) group = groups.insert(group, {title, {}});
    group->options.push_back(option);
  }
  groups.erase(std::remove_if(groups.begin(), groups.end(),
                              [](const OptionGroup& group) { return group.options.empty(); }),
               groups.end());
  return groups;
}

std::vector<const CLI::Option*> Flags(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) {
    return !option->get_positional() && !option->get_group().empty();
  });
}

std::vector<std::string> Spellings(const CLI::Option& option) {
  std::vector<std::string> spellings;
  for (const std::string& name : option.get_snames()) {
    spellings.push_back(absl::StrCat("-", name));
  }
  for (const std::string& name : option.get_lnames()) {
    spellings.push_back(absl::StrCat("--", name));
  }
  return spellings;
}

std::string ValueName(const CLI::Option& option) {
  return option.get_type_size() == 0 ? std::string() : option.get_type_name();
}

std::string Summary(const CLI::App& app) {
  const std::string description = app.get_description();
  return std::string(absl::StripPrefix(description, absl::StrCat(app.get_name(), ": ")));
}

std::vector<FooterPart> FooterParts(const CLI::App& app) {
  std::vector<FooterPart> parts;
  bool begins = true;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(app.get_footer(), '\n'))) {
    if (line.empty()) {
      begins = true;
      continue;
    }
    if (begins) parts.emplace_back();
    if (begins && absl::EndsWith(line, ":")) {
      parts.back().title = std::string(absl::StripSuffix(line, ":"));
    } else {
      parts.back().lines.push_back(line);
    }
    begins = false;
  }
  return parts;
}

}  // namespace walden::reference
