#include "config/yaml_reader.h"

#include <yaml-cpp/yaml.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "config/fields.h"
#include "config/nearest_name.h"

namespace walden {
namespace {

std::string Join(absl::string_view prefix, absl::string_view key) {
  return prefix.empty() ? std::string(key) : absl::StrCat(prefix, ".", key);
}

std::string TypeName(const YAML::Node& node) {
  if (node.IsMap()) return "a map";
  if (node.IsSequence()) return "a list";
  if (node.IsScalar()) return absl::StrCat("the value \"", node.Scalar(), "\"");
  return "without a value";
}

class YamlReader {
 public:
  YamlReader(absl::string_view file_name, LoadedConfig& loaded, ConfigProblems& problems)
      : file_name_(file_name), loaded_(loaded), problems_(problems) {}

  void Read(const YAML::Node& root) {
    if (!root.IsDefined() || root.IsNull()) return;  // an empty file sets nothing
    YAML::Node namespaces;
    ReadMap<Config>(root, "", "", RootFields(), kNamespacesKey, loaded_.config, &namespaces);
    if (namespaces.IsDefined() && !namespaces.IsNull()) ReadNamespaces(namespaces);
  }

 private:
  // "file:line:column"
  std::string Where(const YAML::Mark& mark) const {
    if (mark.is_null()) return file_name_;
    return absl::StrCat(file_name_, ":", mark.line + 1, ":", mark.column + 1);
  }

  void SetOrigin(const std::string& path, const YAML::Mark& mark) {
    loaded_.origins[path] = absl::StrCat(file_name_, ":", mark.line + 1);
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
      problems_.Add(Where(map.Mark()), here,
                    absl::StrCat("is ", TypeName(map), "; expected a map of settings"));
      return;
    }
    std::map<std::string, int> lines;
    for (const auto& entry : map) {
      const YAML::Mark mark = entry.first.Mark();
      if (!entry.first.IsScalar()) {
        problems_.Add(Where(mark), here, absl::StrCat("has ", TypeName(entry.first), " as a key"));
        continue;
      }
      const std::string name = entry.first.Scalar();
      const std::string key = section + name;
      const auto [known, is_new] = lines.emplace(name, mark.line + 1);
      if (!is_new) {
        problems_.Add(Where(mark), Join(path, key),
                      absl::StrCat("is set twice, first in line ", known->second));
        continue;
      }
      ReadEntry(entry.second, mark, path, key, fields, list_key, owner, list);
    }
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
        problems_.Add(Where(key_mark), Join(path, key),
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
    problems_.Add(Where(key_mark), Join(path, key),
                  absl::StrCat("is not a known key", Suggestion(key, fields, list_key)));
  }

  template <typename Owner>
  static std::string Suggestion(const std::string& key, const std::vector<Field<Owner>>& fields,
                                absl::string_view list_key) {
    const std::string leaf = key.substr(key.rfind('.') + 1);
    std::vector<std::string> known;
    for (const Field<Owner>& field : fields) {
      // Right name, wrong section.
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
    if (field.is_list != value.IsSequence() || (!field.is_list && !value.IsScalar())) {
      problems_.Add(Where(key_mark), path,
                    absl::StrCat("is ", TypeName(value), "; expected ",
                                 field.is_list ? "a list of " : "one value: ", field.allowed));
      return;
    }
    if (!field.is_list) return ReadScalar(value, path, field, owner);
    field.clear(owner);
    for (size_t i = 0; i < value.size(); ++i) {
      const std::string item = absl::StrCat(path, "[", i, "]");
      SetOrigin(item, value[i].Mark());
      if (value[i].IsScalar()) {
        ReadScalar(value[i], item, field, owner);
      } else {
        problems_.Add(
            Where(value[i].Mark()), item,
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
    problems_.AddValue(Where(value.Mark()), path, value.Scalar(), status.message(), field.allowed);
  }

  template <typename Owner>
  void CheckRequired(const YAML::Node& map, const std::string& path,
                     const std::vector<Field<Owner>>& fields) {
    if (!map.IsMap()) return;
    for (const Field<Owner>& field : fields) {
      const std::string key = Join(path, field.key);
      if (!field.is_required || loaded_.origins.count(key) > 0) continue;
      problems_.Add(Where(map.Mark()), key, absl::StrCat("is missing; allowed: ", field.allowed));
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

  const std::string file_name_;
  LoadedConfig& loaded_;
  ConfigProblems& problems_;
};

}  // namespace

void ApplyYaml(absl::string_view text, absl::string_view file_name, LoadedConfig& loaded,
               ConfigProblems& problems) {
  try {  // yaml-cpp reports by exception; none leaves this function
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) {
      problems.Add(file_name, "",
                   absl::StrCat("holds ", documents.size(), " YAML documents; expected one"));
      return;
    }
    if (!documents.empty()) YamlReader(file_name, loaded, problems).Read(documents[0]);
  } catch (const YAML::Exception& error) {
    const std::string place =
        error.mark.is_null()
            ? std::string(file_name)
            : absl::StrCat(file_name, ":", error.mark.line + 1, ":", error.mark.column + 1);
    problems.Add(place, "", absl::StrCat("is not YAML: ", error.msg));
  }
}

}  // namespace walden
