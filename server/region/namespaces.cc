#include "server/region/namespaces.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {

absl::Status UnknownNamespace(const NamespaceSet& namespaces, uint32_t id) {
  std::string known;
  for (const Namespace* ns : namespaces.All()) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", ns->id, " (", ns->name, ")");
  }
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kUnknownNamespace,
                   absl::StrCat("namespace ", id, " is not configured; there is ", known),
                   {{"field", "namespace_id"}, {"value", absl::StrCat(id)}});
}

}  // namespace walden
