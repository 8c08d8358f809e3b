// The table of all configuration fields. Parsing, ranges, printing, environment variables, the
// default file and its documentation follow from it. Defaults are those of the structs in config.h.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "config/config.h"

namespace walden {

// A field of `Owner`: the root (Config), a namespace or a region.
template <typename Owner>
struct Field {
  std::string key;      // path inside the owner, "limits.max_batch_bytes"
  std::string doc;      // for people, one or more sentences
  std::string allowed;  // "1MiB to 1GiB", "sync or buffered"
  bool is_list = false;
  bool is_required = false;
  bool reloads = false;  // a running daemon takes a new value over

  // Sets the field, or appends to a list. INVALID_ARGUMENT says what is wrong with the text, as a
  // sentence that goes on from it: "is below 1MiB".
  std::function<absl::Status(Owner&, absl::string_view)> set;
  // The field's text, as `set` takes it: one item, or all of a list.
  std::function<std::vector<std::string>(const Owner&)> get;
  std::function<void(Owner&)> clear;  // lists only
};

// In the order in which they are printed. Immutable; any thread.
const std::vector<Field<Config>>& RootFields();
const std::vector<Field<NamespaceConfig>>& NamespaceFields();
const std::vector<Field<RegionConfig>>& RegionFields();

// The keys of the lists of maps, which are no fields.
inline constexpr absl::string_view kNamespacesKey = "namespaces";
inline constexpr absl::string_view kRegionsKey = "regions";

// WALDEN_LIMITS_MAX_BATCH_BYTES for limits.max_batch_bytes.
std::string EnvironmentName(absl::string_view key);

}  // namespace walden
