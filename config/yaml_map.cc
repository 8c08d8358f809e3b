#include "config/yaml_map.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace walden {
namespace {

// Bytes of a key that a message shows. A key can be as long as the file.
constexpr size_t kMaxShownKeyBytes = 64;

// Whether the error is in or after indentation with a tab, which yaml-cpp reports only in some
// cases.
bool IsIndentedWithTab(absl::string_view text, const YAML::Mark& mark) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (mark.line < 0 || static_cast<size_t>(mark.line) >= lines.size()) return false;
  const absl::string_view line = lines[mark.line];
  return line.substr(0, line.find_first_not_of(" \t-")).find('\t') != absl::string_view::npos;
}

}  // namespace

std::string YamlTypeName(const YAML::Node& node) {
  if (node.IsMap()) return "a map";
  if (node.IsSequence()) return "a list";
  if (node.IsScalar()) return "a single value";
  return "without a value";
}

void YamlFile::Read(absl::string_view text, absl::FunctionRef<void(const YAML::Node&)> read) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) {
      problems_.Add(name_, "",
                    absl::StrCat("holds ", documents.size(), " YAML documents; expected one"));
      return;
    }
    read(documents.empty() ? YAML::Node() : documents[0]);
  } catch (const YAML::Exception& error) {
    AddParseError(text, error);
  }
}

void YamlFile::AddParseError(absl::string_view text, const YAML::Exception& error) {
  if (!error.mark.is_null() && IsIndentedWithTab(text, error.mark)) {
    problems_.Add(Line(error.mark), "",
                  "is indented with a tab; YAML allows only spaces for indentation");
    return;
  }
  problems_.Add(Where(error.mark), "", absl::StrCat("is not YAML: ", error.msg));
}

std::string YamlFile::Where(const YAML::Mark& mark) const {
  if (mark.is_null()) return name_;
  return absl::StrCat(name_, ":", mark.line + 1, ":", mark.column + 1);
}

std::string YamlFile::Where(const YAML::Node& node) const {
  return Where(node.IsDefined() ? node.Mark() : YAML::Mark::null_mark());
}

std::string YamlFile::Line(const YAML::Mark& mark) const {
  return mark.is_null() ? name_ : absl::StrCat(name_, ":", mark.line + 1);
}

void YamlFile::Add(const YAML::Node& node, absl::string_view path, absl::string_view problem) {
  problems_.Add(Where(node), path, problem);
}

void YamlFile::ForEachEntry(
    const YAML::Node& map, absl::string_view path,
    absl::FunctionRef<void(const std::string&, const YAML::Node&, const YAML::Node&)> read) {
  std::map<std::string, int> lines;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) {
      Add(entry.first, path, absl::StrCat("has ", YamlTypeName(entry.first), " as a key"));
      continue;
    }
    const std::string key = entry.first.Scalar();
    const auto [known, is_new] = lines.emplace(key, entry.first.Mark().line + 1);
    if (is_new) {
      read(key, entry.first, entry.second);
      continue;
    }
    const std::string full =
        absl::StrCat(path, path.empty() ? "" : ".", key.substr(0, kMaxShownKeyBytes));
    Add(entry.first, full, absl::StrCat("is set twice, first in line ", known->second));
  }
}

}  // namespace walden
