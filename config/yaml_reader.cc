#include "config/yaml_reader.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/nearest_name.h"
#include "config/fields.h"
#include "config/yaml_map.h"

namespace walden {
namespace {

std::string Join(absl::string_view prefix, absl::string_view key) {
  return prefix.empty() ? std::string(key) : absl::StrCat(prefix, ".", key);
}

// The node's type, with the value of a single value.
std::string TypeName(const YAML::Node& node) {
  if (node.IsScalar()) return absl::StrCat("the value \"", node.Scalar(), "\"");
  return YamlTypeName(node);
}

class YamlReader {
 public:
  YamlReader(YamlFile& file, LoadedConfig& loaded, ConfigProblems& problems)
      : file_(file), loaded_(loaded), problems_(problems) {}

  void Read(const YAML::Node& root) {
    if (!root.IsDefined() || root.IsNull()) return;  // an empty file sets nothing
    YAML::Node namespaces;
    ReadMap<Config>(root, "", "", RootFields(), kNamespacesKey, loaded_.config, &namespaces);
    if (namespaces.IsDefined() && !namespaces.IsNull()) ReadNamespaces(namespaces);
  }

 private:
  void SetOrigin(const std::string& path, const YAML::Mark& mark) {
    loaded_.origins[path] = file_.Line(mark);
  }

  // Reads a map of the fields whose keys begin with `section` ("" or "limits."). `path` is where
  // the owner is, for messages. A value under `list_key` goes to `list` unread.
  template <typename Owner>
  void ReadMap(const YAML::Node& map, const std::string& path, const std::string& section,
               const std::vector<Field<Owner>>& fields, absl::string_view list_key, Owner& owner,
               YAML::Node* list) {
    const std::string here =
        section.empty() ? path : Join(path, section.substr(0, section.size() - 1));
    if (!map.IsMap()) {
      file_.Add(map, here, absl::StrCat("is ", TypeName(map), "; expected a map of settings"));
      return;
    }
    file_.ForEachEntry(
        map, here, [&](const std::string& name, const YAML::Node& key, const YAML::Node& value) {
          ReadEntry(value, key.Mark(), path, section + name, fields, list_key, owner, list);
        });
  }

  template <typename Owner>
  void ReadEntry(const YAML::Node& value, const YAML::Mark& key_mark, const std::string& path,
                 const std::string& key, const std::vector<Field<Owner>>& fields,
                 absl::string_view list_key, Owner& owner, YAML::Node* list) {
    if (!list_key.empty() && key == list_key) {
      SetOrigin(Join(path, key), key_mark);
      if (value.IsSequence()) {
        list->reset(value);
      } else {
        problems_.Add(file_.Where(key_mark), Join(path, key),
                      absl::StrCat("is ", TypeName(value), "; expected a list"));
      }
      return;
    }
    for (const Field<Owner>& field : fields) {
      if (field.key == key) return ReadField(value, key_mark, Join(path, key), field, owner);
    }
    for (const Field<Owner>& field : fields) {
      if (!absl::StartsWith(field.key, key + ".")) continue;
      if (value.IsNull()) return;  // a section whose settings are all commented out
      return ReadMap<Owner>(value, path, key + ".", fields, list_key, owner, list);
    }
    problems_.Add(file_.Where(key_mark), Join(path, key),
                  absl::StrCat("is not a known key", Suggestion(key, fields, list_key)));
  }

  template <typename Owner>
  static std::string Suggestion(const std::string& key, const std::vector<Field<Owner>>& fields,
                                absl::string_view list_key) {
    const std::string leaf = key.substr(key.rfind('.') + 1);
    std::vector<std::string> known;
    for (const Field<Owner>& field : fields) {
      // The name is right and the section is wrong.
      if (field.key.substr(field.key.rfind('.') + 1) == leaf) {
        return absl::StrCat(", did you mean ", field.key, "?");
      }
      known.push_back(field.key);
      const size_t dot = field.key.find('.');
      if (dot != std::string::npos) known.push_back(field.key.substr(0, dot));
    }
    if (!list_key.empty()) known.emplace_back(list_key);
    return DidYouMean(key, known);
  }

  template <typename Owner>
  void ReadField(const YAML::Node& value, const YAML::Mark& key_mark, const std::string& path,
                 const Field<Owner>& field, Owner& owner) {
    SetOrigin(path, key_mark);
    if (!value.IsScalar() && !(field.is_list && value.IsSequence())) {
      problems_.Add(file_.Where(key_mark), path,
                    absl::StrCat("is ", TypeName(value), "; expected ",
                                 field.is_list ? "a list of " : "one value: ", field.allowed));
      return;
    }
    if (!field.is_list) return ReadScalar(value, path, field, owner);
    field.clear(owner);
    if (value.IsScalar()) {  // a list of one
      const std::string item = absl::StrCat(path, "[0]");
      SetOrigin(item, value.Mark());
      ReadScalar(value, item, field, owner);
      if (problems_.Has(item)) problems_.MarkWrong(path);
      return;
    }
    for (size_t i = 0; i < value.size(); ++i) {
      const std::string item = absl::StrCat(path, "[", i, "]");
      SetOrigin(item, value[i].Mark());
      if (value[i].IsScalar()) {
        ReadScalar(value[i], item, field, owner);
      } else {
        problems_.Add(
            file_.Where(value[i].Mark()), item,
            absl::StrCat("is ", TypeName(value[i]), "; expected one value: ", field.allowed));
      }
      if (problems_.Has(item)) problems_.MarkWrong(path);
    }
  }

  template <typename Owner>
  void ReadScalar(const YAML::Node& value, const std::string& path, const Field<Owner>& field,
                  Owner& owner) {
    const absl::Status status = field.set(owner, value.Scalar());
    if (status.ok()) return;
    problems_.AddValue(file_.Where(value.Mark()), path, value.Scalar(), status.message(),
                       field.allowed);
  }

  template <typename Owner>
  void CheckRequired(const YAML::Node& map, const std::string& path,
                     const std::vector<Field<Owner>>& fields) {
    if (!map.IsMap()) return;
    for (const Field<Owner>& field : fields) {
      const std::string key = Join(path, field.key);
      if (!field.is_required || loaded_.origins.count(key) > 0) continue;
      problems_.Add(file_.Where(map.Mark()), key,
                    absl::StrCat("is missing; allowed: ", field.allowed));
    }
  }

  void ReadNamespaces(const YAML::Node& list) {
    loaded_.config.namespaces.clear();
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string path = absl::StrCat(kNamespacesKey, "[", i, "]");
      NamespaceConfig space;
      YAML::Node regions;
      SetOrigin(path, list[i].Mark());
      ReadMap<NamespaceConfig>(list[i], path, "", NamespaceFields(), kRegionsKey, space, &regions);
      CheckRequired(list[i], path, NamespaceFields());
      // After the namespace's own settings, wherever in the map they stand.
      if (regions.IsDefined() && !regions.IsNull()) ReadRegions(regions, path, space);
      loaded_.config.namespaces.push_back(std::move(space));
    }
  }

  void ReadRegions(const YAML::Node& list, const std::string& space_path, NamespaceConfig& space) {
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string path = absl::StrCat(space_path, ".", kRegionsKey, "[", i, "]");
      RegionConfig region{.id = 0, .settings = space.settings};
      YAML::Node none;
      SetOrigin(path, list[i].Mark());
      ReadMap<RegionConfig>(list[i], path, "", RegionFields(), "", region, &none);
      CheckRequired(list[i], path, RegionFields());
      space.regions.push_back(region);
    }
  }

  YamlFile& file_;
  LoadedConfig& loaded_;
  ConfigProblems& problems_;
};

}  // namespace

void ApplyYaml(absl::string_view text, absl::string_view file_name, LoadedConfig& loaded,
               ConfigProblems& problems) {
  YamlFile file(file_name, problems);
  file.Read(text, [&](const YAML::Node& root) { YamlReader(file, loaded, problems).Read(root); });
}

}  // namespace walden
