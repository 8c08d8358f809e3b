#include "engine/common/table_kind.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {

absl::string_view TableKindName(TableKind kind) {
  switch (kind) {
    case TableKind::kLog:
      return "a plain log";
    case TableKind::kEntries:
      return "an entry log";
  }
  return "unknown";
}

absl::Status CheckTableKind(TableId table, std::optional<TableKind> decided, TableKind used_as) {
  if (!decided.has_value() || *decided == used_as) return absl::OkStatus();
  const bool entries = *decided == TableKind::kEntries;
  return MakeError(
      absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongTableKind,
      absl::StrCat("table ", table, " is ", TableKindName(*decided),
                   " since its first append and cannot be used as ", TableKindName(used_as),
                   ": use ", entries ? "EntryService" : "WalService", " for it, or another table"),
      {{"field", "table_id"},
       {"value", absl::StrCat(table)},
       {"table_id", absl::StrCat(table)},
       {"kind", entries ? "entries" : "log"}});
}

}  // namespace walden
