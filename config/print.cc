#include "config/print.h"

#include <yaml-cpp/yaml.h>

#include <vector>

#include "absl/strings/str_cat.h"
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
    std::string section;
    for (const Field<Owner>& field : fields) {
      const size_t dot = field.key.find('.');
      const std::string own_section = dot == std::string::npos ? "" : field.key.substr(0, dot);
      if (own_section != section) {
        if (!section.empty()) out_ << YAML::EndMap;
        section = own_section;
        if (!section.empty()) out_ << YAML::Key << section << YAML::Value << YAML::BeginMap;
      }
      const std::vector<std::string> values = field.get(owner);
      const auto origin = origins_.find(path + field.key);
      const bool is_marked = values != field.get(defaults) && origin != origins_.end();
      out_ << YAML::Key << (section.empty() ? field.key : field.key.substr(dot + 1)) << YAML::Value;
      PrintValues(values, field.is_list, is_marked ? origin->second : "");
    }
    if (!section.empty()) out_ << YAML::EndMap;
  }

  void PrintValues(const std::vector<std::string>& values, bool is_list,
                   const std::string& origin) {
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
