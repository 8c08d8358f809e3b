#include "config/identities_file.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/nearest_name.h"
#include "config/config_problems.h"
#include "config/field_types.h"
#include "config/text_file.h"
#include "config/yaml_map.h"

namespace walden {
namespace {

constexpr size_t kMaxNameBytes = 64;
constexpr size_t kMaxCertificateNameBytes = 512;

bool IsName(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-' &&
        c != '@') {
      return false;
    }
  }
  return !text.empty() && text.size() <= kMaxNameBytes;
}

// A DNS name, a URI or a common name: graphic characters, and spaces between them.
bool IsCertificateName(absl::string_view text) {
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return false;
  }
  return !text.empty() && text.size() <= kMaxCertificateNameBytes &&
         text == absl::StripAsciiWhitespace(text);
}

// The bytes of a hash; empty unless `text` is 64 hexadecimal digits.
std::string HashBytes(absl::string_view text) {
  if (text.size() != 2 * sizeof(Sha256)) return "";
  for (const char c : text) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return "";
  }
  return absl::HexStringToBytes(text);
}

bool ParseRegion(absl::string_view text, RegionId* region) {
  return !text.empty() && text.find_first_not_of("0123456789") == absl::string_view::npos &&
         absl::SimpleAtoi(text, region);
}

class IdentitiesReader {
 public:
  IdentitiesReader(YamlFile& file, const std::vector<NamespaceConfig>& namespaces)
      : file_(file), namespaces_(namespaces) {}

  std::vector<IdentityConfig> Read(const YAML::Node& root) {
    std::vector<IdentityConfig> identities;
    if (!root.IsDefined() || !root.IsSequence()) {
      Add(root, "", "the file must hold a list of identities ([] if nobody may do anything)");
      return identities;
    }
    for (size_t i = 0; i < root.size(); ++i) {
      identities.push_back(ReadIdentity(root[i], absl::StrCat("[", i, "]")));
    }
    return identities;
  }

 private:
  void Add(const YAML::Node& node, const std::string& path, absl::string_view problem) {
    file_.Add(node, path, problem);
  }

  // The map's values by key. Reports keys that are not in `known`.
  std::map<std::string, YAML::Node> ReadMap(const YAML::Node& map, const std::string& path,
                                            const std::vector<std::string>& known) {
    std::map<std::string, YAML::Node> values;
    if (!map.IsMap()) {
      Add(map, path, absl::StrCat("is ", YamlTypeName(map), "; expected a map of settings"));
      return values;
    }
    file_.ForEachEntry(map, path,
                       [&](const std::string& key, const YAML::Node& at, const YAML::Node& value) {
                         if (std::find(known.begin(), known.end(), key) != known.end()) {
                           values.emplace(key, value);
                           return;
                         }
                         Add(at, absl::StrCat(path, ".", key.substr(0, kMaxNameBytes)),
                             absl::StrCat("is not a known key", DidYouMean(key, known)));
                       });
    return values;
  }

  // One value or a list of them, as (node, text).
  std::vector<std::pair<YAML::Node, std::string>> ReadTexts(const YAML::Node& node,
                                                            const std::string& path) {
    std::vector<std::pair<YAML::Node, std::string>> texts;
    if (node.IsScalar()) {
      texts.emplace_back(node, node.Scalar());
    } else if (node.IsSequence()) {
      for (size_t i = 0; i < node.size(); ++i) {
        if (node[i].IsScalar()) {
          texts.emplace_back(node[i], node[i].Scalar());
        } else {
          Add(node[i], absl::StrCat(path, "[", i, "]"), "must be one value");
        }
      }
    } else {
      Add(node, path, "must be a value or a list of values");
    }
    return texts;
  }

  IdentityConfig ReadIdentity(const YAML::Node& node, const std::string& path) {
    IdentityConfig identity;
    const auto values =
        ReadMap(node, path, {"name", "token_sha256", "certificate_name", "rules", "limits"});
    if (!node.IsMap()) return identity;
    for (const auto& [key, value] : values) {
      const std::string here = absl::StrCat(path, ".", key);
      if (key == "name") ReadName(value, here, identity);
      if (key == "token_sha256") ReadTokens(value, here, identity);
      if (key == "certificate_name") ReadCertificateNames(value, here, identity);
      if (key == "rules") ReadRules(value, here, identity);
      if (key == "limits") ReadLimits(value, here, identity.limits);
    }
    if (values.count("name") == 0) Add(node, path, "has no name");
    if (values.count("rules") == 0) Add(node, path, "has no rules");
    if (values.count("token_sha256") == 0 && values.count("certificate_name") == 0) {
      Add(node, path,
          "has neither token_sha256 nor certificate_name: it could never be recognised");
    }
    return identity;
  }

  void ReadName(const YAML::Node& node, const std::string& path, IdentityConfig& identity) {
    if (!node.IsScalar() || !IsName(node.Scalar())) {
      Add(node, path, "must be 1 to 64 of A-Z, a-z, 0-9, . _ - and @");
      return;
    }
    identity.name = node.Scalar();
    if (!names_.insert(identity.name).second) {
      Add(node, path, absl::StrCat("\"", identity.name, "\" is another identity's, too"));
    }
  }

  void ReadTokens(const YAML::Node& node, const std::string& path, IdentityConfig& identity) {
    for (const auto& [item, text] : ReadTexts(node, path)) {
      const std::string bytes = HashBytes(text);
      if (bytes.empty()) {
        Add(item, path,
            absl::StrCat("must be 64 hexadecimal digits, as `walden token` prints them, and has ",
                         text.size(), " characters (not shown: is it the token itself?)"));
        continue;
      }
      Sha256 hash;
      std::copy(bytes.begin(), bytes.end(), hash.begin());
      if (!hashes_.insert(hash).second) Add(item, path, "stands in this file twice");
      identity.token_hashes.push_back(hash);
    }
  }

  void ReadCertificateNames(const YAML::Node& node, const std::string& path,
                            IdentityConfig& identity) {
    for (const auto& [item, text] : ReadTexts(node, path)) {
      if (!IsCertificateName(text)) {
        Add(item, path,
            "must be a DNS name, URI or common name of 1 to 512 bytes, without control characters");
        continue;
      }
      if (!certificate_names_.insert(text).second) {
        Add(item, path, absl::StrCat("\"", text, "\" stands in this file twice"));
      }
      identity.certificate_names.push_back(text);
    }
  }

  void ReadRules(const YAML::Node& node, const std::string& path, IdentityConfig& identity) {
    if (!node.IsSequence()) {
      Add(node, path, "must be a list of rules ([] if it may do nothing)");
      return;
    }
    for (size_t i = 0; i < node.size(); ++i) {
      identity.rules.push_back(ReadRule(node[i], absl::StrCat(path, "[", i, "]")));
    }
  }

  void ReadLimits(const YAML::Node& node, const std::string& path, IdentityLimits& limits) {
    for (const auto& [key, value] :
         ReadMap(node, path, {"in_flight_bytes", "calls", "append_bytes_per_second"})) {
      const std::string here = absl::StrCat(path, ".", key);
      if (key == "in_flight_bytes") ReadBytes(value, here, limits.in_flight_bytes);
      if (key == "append_bytes_per_second") ReadBytes(value, here, limits.append_bytes_per_second);
      if (key == "calls") ReadLimit(IntegerType<uint32_t>{0, 1'000'000}, value, here, limits.calls);
    }
  }

  void ReadBytes(const YAML::Node& node, const std::string& path, std::optional<uint64_t>& limit) {
    std::optional<ByteSize> bytes;
    ReadLimit(ByteSizeType{{0}, GiB(64)}, node, path, bytes);
    if (bytes.has_value()) limit = bytes->bytes;
  }

  template <typename Type, typename Value>
  void ReadLimit(const Type& type, const YAML::Node& node, const std::string& path,
                 std::optional<Value>& limit) {
    if (!node.IsScalar()) {
      Add(node, path, "must be one value");
      return;
    }
    const auto value = type.Parse(node.Scalar());
    if (value.ok()) {
      limit = *value;
    } else {
      Add(node, path,
          absl::StrCat("\"", absl::CHexEscape(node.Scalar().substr(0, kMaxNameBytes)), "\" ",
                       value.status().message(), "; allowed: ", type.Allowed()));
    }
  }

  IdentityRule ReadRule(const YAML::Node& node, const std::string& path) {
    IdentityRule rule;
    const std::vector<std::string> keys = {"namespace", "regions", "rights"};
    const auto values = ReadMap(node, path, keys);
    if (!node.IsMap()) return rule;
    for (const std::string& key : keys) {
      const std::string here = absl::StrCat(path, ".", key);
      const auto value = values.find(key);
      if (value == values.end()) {
        Add(node, here, "is missing");
      } else if (key == "namespace") {
        ReadNamespace(value->second, here, rule);
      } else if (key == "regions") {
        ReadRegions(value->second, here, rule);
      } else {
        ReadRights(value->second, here, rule);
      }
    }
    return rule;
  }

  void ReadNamespace(const YAML::Node& node, const std::string& path, IdentityRule& rule) {
    const std::string name = node.IsScalar() ? node.Scalar() : "";
    if (name == "*") return;
    std::vector<std::string> known;
    for (const NamespaceConfig& space : namespaces_) {
      if (space.name == name) {
        rule.namespace_id = space.id;
        return;
      }
      known.push_back(space.name);
    }
    Add(node, path,
        absl::StrCat("\"", absl::CHexEscape(name.substr(0, kMaxNameBytes)),
                     "\" is not a configured namespace", DidYouMean(name, known),
                     "; allowed: a namespace's name or \"*\""));
  }

  void ReadRegions(const YAML::Node& node, const std::string& path, IdentityRule& rule) {
    for (const auto& [item, text] : ReadTexts(node, path)) {
      RegionRange range;
      const size_t dash = text.find('-');
      if (text != "*") {
        const bool good =
            ParseRegion(text.substr(0, dash), &range.first) &&
            (dash == std::string::npos || ParseRegion(text.substr(dash + 1), &range.last));
        if (dash == std::string::npos) range.last = range.first;
        if (!good || range.first > range.last) {
          Add(item, path,
              absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMaxNameBytes)),
                           "\" is not a region (7), a range of them (100-199) or \"*\""));
          continue;
        }
      }
      rule.regions.push_back(range);
    }
  }

  void ReadRights(const YAML::Node& node, const std::string& path, IdentityRule& rule) {
    for (const auto& [item, text] : ReadTexts(node, path)) {
      if (text == "append") {
        rule.append = true;
      } else if (text == "read") {
        rule.read = true;
      } else if (text == "delete") {
        rule.mark_deleted = true;
      } else if (text == "admin") {
        rule.admin = true;
      } else {
        Add(item, path,
            absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMaxNameBytes)),
                         "\" is not a right; allowed: append, read, delete or admin"));
      }
    }
  }

  YamlFile& file_;
  const std::vector<NamespaceConfig>& namespaces_;
  // The names of all identities so far.
  std::set<std::string> names_;
  std::set<Sha256> hashes_;
  std::set<std::string> certificate_names_;
};

}  // namespace

absl::StatusOr<std::vector<IdentityConfig>> LoadIdentities(
    const std::string& file, const std::vector<NamespaceConfig>& namespaces) {
  const absl::StatusOr<std::string> text = ReadTextFile("identities file", file);
  if (!text.ok()) return text.status();
  return LoadIdentitiesText(*text, file, namespaces);
}

absl::StatusOr<std::vector<IdentityConfig>> LoadIdentitiesText(
    absl::string_view text, absl::string_view file_name,
    const std::vector<NamespaceConfig>& namespaces) {
  ConfigProblems problems;
  YamlFile file(file_name, problems);
  std::vector<IdentityConfig> identities;
  file.Read(text, [&](const YAML::Node& root) {
    identities = IdentitiesReader(file, namespaces).Read(root);
  });
  if (absl::Status status = problems.ToStatus(); !status.ok()) return status;
  return identities;
}

}  // namespace walden
