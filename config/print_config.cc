#include "config/print_config.h"

#include <yaml-cpp/yaml.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "config/fields.h"

namespace walden {
namespace {

// Writes fields as nested maps: the sections that a key names open and close with their fields.
class YamlPrinter {
 public:
  explicit YamlPrinter(const ConfigOrigins& origins) : origins_(origins) {}

  std::string Print(const Config& config) {
    out_ << YAML::BeginMap;
    PrintFields(RootFields(), config, Config{}, "");
    out_ << YAML::Key << std::string(kNamespacesKey) << YAML::Value << YAML::BeginSeq;
    for (size_t i = 0; i < config.namespaces.size(); ++i) {
      PrintNamespace(config.namespaces[i], absl::StrCat(kNamespacesKey, "[", i, "]."));
    }
    out_ << YAML::EndSeq << YAML::EndMap;
    return absl::StrCat(out_.c_str(), "\n");
  }

 private:
  void PrintNamespace(const NamespaceConfig& space, const std::string& path) {
    out_ << YAML::BeginMap;
    PrintFields(NamespaceFields(), space, NamespaceConfig{}, path);
    out_ << YAML::Key << std::string(kRegionsKey) << YAML::Value;
    if (space.regions.empty()) out_ << YAML::Flow;  // []
    out_ << YAML::BeginSeq;
    for (size_t i = 0; i < space.regions.size(); ++i) {
      const RegionConfig inherited{.id = 0, .settings = space.settings};
      out_ << YAML::BeginMap;
      PrintFields(RegionFields(), space.regions[i], inherited,
                  absl::StrCat(path, kRegionsKey, "[", i, "]."));
      out_ << YAML::EndMap;
    }
    out_ << YAML::EndSeq << YAML::EndMap;
  }

  template <typename Owner>
  void PrintFields(const std::vector<Field<Owner>>& fields, const Owner& owner,
                   const Owner& defaults, const std::string& path) {
    std::vector<std::string> open;  // sections, outermost first
    for (const Field<Owner>& field : fields) {
      std::vector<std::string> sections = absl::StrSplit(field.key, '.');
      const std::string name = std::move(sections.back());
      sections.pop_back();
      size_t common = 0;
      while (common < open.size() && common < sections.size() && open[common] == sections[common]) {
        ++common;
      }
      for (; open.size() > common; open.pop_back()) out_ << YAML::EndMap;
      for (; open.size() < sections.size(); open.push_back(sections[open.size()])) {
        out_ << YAML::Key << sections[open.size()] << YAML::Value << YAML::BeginMap;
      }
      const std::vector<std::string> values = field.get(owner);
      const auto origin = origins_.find(path + field.key);
      const bool is_marked = values != field.get(defaults) && origin != origins_.end();
      out_ << YAML::Key << name << YAML::Value;
      PrintValues(values, field.is_list, is_marked ? origin->second : "");
    }
    for (; !open.empty(); open.pop_back()) out_ << YAML::EndMap;
  }

  void PrintValues(const std::vector<std::string>& values, bool is_list,
                   const std::string& origin) {
    if (values.empty()) out_ << YAML::Flow;  // []
    if (is_list) out_ << YAML::BeginSeq;
    for (const std::string& value : values) {
      out_ << value;
      if (!origin.empty()) out_ << YAML::Comment(origin);
    }
    if (is_list) out_ << YAML::EndSeq;
  }

  const ConfigOrigins& origins_;
  YAML::Emitter out_;
};

}  // namespace

std::string PrintConfig(const LoadedConfig& loaded) {
  return YamlPrinter(loaded.origins).Print(loaded.config);
}

}  // namespace walden
