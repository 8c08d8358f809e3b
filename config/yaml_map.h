// Reads YAML text and its maps, and reports each problem with file, line and column.
//
// The configuration and the identities file are both read with it. One thread.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "config/config_problems.h"

namespace walden {

// "a map", "a list", "a single value" or "without a value".
std::string YamlTypeName(const YAML::Node& node);

class YamlFile {
 public:
  // `name` is the file's name in messages. `problems` outlives this object.
  YamlFile(absl::string_view name, ConfigProblems& problems) : name_(name), problems_(problems) {}

  // Parses the text and calls `read` with its root, which is null for an empty text. Reports text
  // that is not YAML, and text of several documents. No exception of yaml-cpp leaves it.
  void Read(absl::string_view text, absl::FunctionRef<void(const YAML::Node& root)> read);

  // "file:line:column"; the file's name for a place that is not known.
  std::string Where(const YAML::Mark& mark) const;
  std::string Where(const YAML::Node& node) const;
  // "file:line"
  std::string Line(const YAML::Mark& mark) const;

  // Reports a problem at the node. `path` is the setting's path, "namespaces[0].id".
  void Add(const YAML::Node& node, absl::string_view path, absl::string_view problem);

  // Calls `read` with every entry of a map at this path. Reports keys that are not single values and
  // keys that are set twice, and leaves them out.
  void ForEachEntry(
      const YAML::Node& map, absl::string_view path,
      absl::FunctionRef<void(const std::string& key, const YAML::Node& at, const YAML::Node& value)>
          read);

 private:
  void AddParseError(absl::string_view text, const YAML::Exception& error);

  const std::string name_;
  ConfigProblems& problems_;
};

}  // namespace walden
