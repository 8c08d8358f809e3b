#include "config/config_reference.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "config/fields.h"

namespace walden {
namespace {

constexpr size_t kColumns = 100;

constexpr absl::string_view kFileHeader =
    R"(# The configuration of waldend: every field, set to its default. Written from config/fields.cc by
# `walden_config_reference yaml`; copy it and keep only what you change.
#
#   waldend --config FILE --check-config   says what is wrong with it, all at once
#   waldend --config FILE --print-config   shows what the daemon would run with, and where from
#
# Sizes are a whole number with B, KiB, MiB, GiB or TiB; durations a number with us, ms, s, m or h.
# A field outside of `namespaces` can also be set by a variable: limits.max_batch_bytes is
# WALDEN_LIMITS_MAX_BATCH_BYTES, and a list's items are separated by commas.
# Strongest first: command line, environment, this file, defaults.
#
# SIGHUP makes a running daemon read it again: it takes over what "reloads" and logs what else
# differs.
)";

constexpr absl::string_view kRegionsHeader =
    R"(    # Single regions may differ from their namespace; the others need no entry. As in
    #   regions:
    #     - id: 7
    #       durability: buffered
)";

void AppendComment(absl::string_view indent, absl::string_view text, std::string& out) {
  std::string line = absl::StrCat(indent, "#");
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (line.size() + 1 + word.size() > kColumns) {
      absl::StrAppend(&out, line, "\n");
      line = absl::StrCat(indent, "#");
    }
    absl::StrAppend(&line, " ", word);
  }
  absl::StrAppend(&out, line, "\n");
}

// The field's text, with whether the daemon takes a new value over at SIGHUP.
template <typename Owner>
std::string AllowedText(const Field<Owner>& field) {
  return absl::StrCat(field.allowed, field.reloads ? "; reloads" : "");
}

// The field's comment, its name and its default. `start` comes before the name: "  - " or "  ".
template <typename Owner>
void AppendField(const Field<Owner>& field, const Owner& defaults, absl::string_view indent,
                 absl::string_view start, std::string& out) {
  const std::string name = field.key.substr(field.key.rfind('.') + 1);
  AppendComment(indent, field.doc, out);
  AppendComment(
      indent, absl::StrCat("Allowed: ", AllowedText(field), field.is_required ? "; required" : ""),
      out);
  absl::StrAppend(&out, start, name, ":");
  const std::vector<std::string> values = field.get(defaults);
  if (values.empty()) absl::StrAppend(&out, " []");
  for (const std::string& value : values) {
    absl::StrAppend(&out, field.is_list ? absl::StrCat("\n", indent, "  - ") : " ",
                    value.empty() ? "\"\"" : value);
  }
  absl::StrAppend(&out, "\n");
}

void AppendRootFields(std::string& out) {
  std::vector<std::string> open;  // sections, outermost first
  for (const Field<Config>& field : RootFields()) {
    std::vector<std::string> sections = absl::StrSplit(field.key, '.');
    sections.pop_back();
    absl::StrAppend(&out, "\n");
    size_t common = 0;
    while (common < open.size() && common < sections.size() && open[common] == sections[common]) {
      ++common;
    }
    for (size_t i = common; i < sections.size(); ++i) {
      absl::StrAppend(&out, std::string(2 * i, ' '), sections[i], ":\n");
    }
    open = sections;
    const std::string indent(2 * sections.size(), ' ');
    AppendField(field, Config{}, indent, indent, out);
  }
}

template <typename Owner>
void AppendTable(absl::string_view prefix, const std::vector<Field<Owner>>& fields,
                 const Owner& defaults, bool shows_defaults, std::string& out) {
  absl::StrAppend(&out,
                  "| field | default | allowed | what it is for |\n| --- | --- | --- | --- |\n");
  for (const Field<Owner>& field : fields) {
    std::string value = absl::StrCat("`", absl::StrJoin(field.get(defaults), "`, `"), "`");
    if (value == "``") value = "none";
    if (field.is_required) value = "required";
    if (!shows_defaults && !field.is_required) value = "its namespace's";
    absl::StrAppend(&out, "| `", prefix, field.key, "` | ", value, " | ",
                    field.is_list ? "list of " : "", AllowedText(field), " | ", field.doc, " |\n");
  }
}

}  // namespace

std::string DefaultFileReference() {
  std::string out(kFileHeader);
  AppendRootFields(out);
  absl::StrAppend(&out, "\n# Independent logs, each with its own directory and engine.\n",
                  kNamespacesKey, ":\n");
  const NamespaceConfig space = Config{}.namespaces.front();
  absl::string_view start = "  - ";
  for (const Field<NamespaceConfig>& field : NamespaceFields()) {
    AppendField(field, space, "    ", start, out);
    absl::StrAppend(&out, "\n");
    start = "    ";
  }
  absl::StrAppend(&out, kRegionsHeader);
  AppendComment("    ", "Fields of a region; one that is not set is its namespace's:", out);
  for (const Field<RegionConfig>& field : RegionFields()) {
    AppendComment("    ",
                  absl::StrCat("  ", field.key, ": ", AllowedText(field),
                               field.is_required ? "; required" : ""),
                  out);
  }
  absl::StrAppend(&out, "    ", kRegionsKey, ": []\n");
  return out;
}

std::string MarkdownReference() {
  std::string out;
  AppendTable("", RootFields(), Config{}, true, out);
  absl::StrAppend(&out, "\nEach namespace:\n\n");
  AppendTable("namespaces[].", NamespaceFields(), NamespaceConfig{}, true, out);
  absl::StrAppend(&out, "\nEach region that has settings of its own:\n\n");
  AppendTable("namespaces[].regions[].", RegionFields(), RegionConfig{}, false, out);
  return out;
}

}  // namespace walden
