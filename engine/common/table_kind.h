// The kind of a table, plain log or entry log, which its first append decides.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engine/types.h"

namespace walden {

// "a plain log" or "an entry log".
absl::string_view TableKindName(TableKind kind);

// FAILED_PRECONDITION (WRONG_TABLE_KIND) if a table that is `decided` is used as another kind. A
// table that is not decided may be used as either.
absl::Status CheckTableKind(TableId table, std::optional<TableKind> decided, TableKind used_as);

}  // namespace walden
