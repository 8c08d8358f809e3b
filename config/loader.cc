#include "config/loader.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/nearest_name.h"
#include "config/combination_checks.h"
#include "config/config_problems.h"
#include "config/fields.h"
#include "config/service_links.h"
#include "config/text_file.h"
#include "config/yaml_reader.h"

namespace walden {
namespace {

constexpr absl::string_view kVariablePrefix = "WALDEN_";

bool IsOtherwiseUsed(absl::string_view variable) {
  return variable == "WALDEN_ADDRESS" || variable == "WALDEN_CONFIG" ||
         variable == "WALDEN_TOKEN_FILE" || absl::StartsWith(variable, "WALDEN_TLS_") ||
         absl::StartsWith(variable, "WALDEN_TEST_");
}

// Replaces a root field's value, as a variable or an option does.
void Override(const Field<Config>& field, const std::vector<std::string>& values,
              const std::string& origin, LoadedConfig& loaded, ConfigProblems& problems) {
  if (field.is_list) {
    field.clear(loaded.config);
    const std::string items = field.key + "[";
    for (auto it = loaded.origins.lower_bound(items);
         it != loaded.origins.end() && absl::StartsWith(it->first, items);) {
      it = loaded.origins.erase(it);
    }
  } else if (values.size() != 1) {
    problems.Add(origin, field.key, absl::StrCat("has ", values.size(), " values; expected one"));
    return;
  }
  loaded.origins[field.key] = origin;
  for (const std::string& value : values) {
    const absl::Status status = field.set(loaded.config, value);
    if (!status.ok()) {
      problems.AddValue(origin, field.key, value, status.message(), field.allowed);
    }
  }
}

void ApplyEnvironment(const Environment& environment, LoadedConfig& loaded,
                      ConfigProblems& problems) {
  for (const auto& [variable, value] : environment) {
    bool is_known = false;
    std::vector<std::string> known;
    for (const Field<Config>& field : RootFields()) {
      known.push_back(EnvironmentName(field.key));
      if (known.back() != variable) continue;
      is_known = true;
      std::vector<std::string> values = {value};
      if (field.is_list) values = absl::StrSplit(value, ',');
      if (field.is_list && value.empty()) values.clear();
      Override(field, values, variable, loaded, problems);
    }
    if (is_known) continue;
    problems.Add(variable, "",
                 absl::StartsWith(variable, "WALDEN_NAMESPACE")
                     ? std::string("is not a known variable: namespaces are set in a file only")
                     : absl::StrCat("is not a known variable", DidYouMean(variable, known)));
  }
}

void ApplyCommandLine(const std::vector<CommandLineSetting>& settings, LoadedConfig& loaded,
                      ConfigProblems& problems) {
  for (const CommandLineSetting& setting : settings) {
    const auto field = std::find_if(
        RootFields().begin(), RootFields().end(),
        [&setting](const Field<Config>& candidate) { return candidate.key == setting.key; });
    if (field == RootFields().end()) {
      problems.Add(setting.origin, setting.key, "is not a known key");
      continue;
    }
    Override(*field, setting.values, setting.origin, loaded, problems);
  }
}

}  // namespace

Environment WaldenEnvironment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::pair<std::string, std::string> variable =
        absl::StrSplit(*entry, absl::MaxSplits('=', 1));
    if (absl::StartsWith(variable.first, kVariablePrefix) && !IsOtherwiseUsed(variable.first) &&
        !IsServiceLink(variable.first, variable.second)) {
      environment.insert(variable);
    }
  }
  return environment;
}

absl::StatusOr<LoadedConfig> LoadConfig(const std::optional<std::string>& file,
                                        const Environment& environment,
                                        const std::vector<CommandLineSetting>& command_line) {
  if (!file.has_value()) return LoadConfigText("", "", environment, command_line);
  const absl::StatusOr<std::string> text = ReadTextFile("configuration file", *file);
  if (!text.ok()) return text.status();
  return LoadConfigText(*text, *file, environment, command_line);
}

absl::StatusOr<LoadedConfig> LoadConfigText(absl::string_view text, absl::string_view file_name,
                                            const Environment& environment,
                                            const std::vector<CommandLineSetting>& command_line) {
  LoadedConfig loaded;
  ConfigProblems problems;
  ApplyYaml(text, file_name, loaded, problems);
  ApplyEnvironment(environment, loaded, problems);
  ApplyCommandLine(command_line, loaded, problems);
  CheckCombinations(loaded, problems);
  const absl::Status status = problems.ToStatus();
  if (!status.ok()) return status;
  return loaded;
}

}  // namespace walden
