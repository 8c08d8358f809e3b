#include "engine/entry/region_entry_tables.h"

#include "base/error.h"
#include "engine/common/table_kind.h"

namespace walden::entry {

absl::StatusOr<std::shared_ptr<EntryTable>> RegionEntryTables::Get(TableId table, bool create) {
  absl::MutexLock lock(&mutex_);
  const auto found = tables_.find(table);
  if (found != tables_.end()) return found->second;
  const std::optional<TableKind> kind = log_->Position(table).kind;
  const absl::Status status = CheckTableKind(table, kind, TableKind::kEntries);
  if (!status.ok()) return status;
  if (!kind.has_value() && !create) return nullptr;
  return tables_.emplace(table, std::make_shared<EntryTable>(table, log_, environment_))
      .first->second;
}

absl::StatusOr<std::shared_ptr<EntryTable>> RegionEntryTables::Find(TableId table) {
  return Get(table, /*create=*/false);
}

absl::Status RegionEntryTables::Admit(const AppendBatch& batch, uint64_t* reserved_bytes) {
  const auto table = Get(batch.table, /*create=*/true);
  return table.ok() ? (*table)->Reserve(batch, reserved_bytes) : table.status();
}

void RegionEntryTables::Applied(const AppendBatch& batch, uint64_t reserved_bytes) {
  absl::MutexLock lock(&mutex_);
  const auto found = tables_.find(batch.table);
  if (found == tables_.end()) return;
  found->second->Applied(batch, reserved_bytes);
  // The table became a plain log in the same group.
  if (HasReason(batch.result.status, ErrorReason::kWrongTableKind)) tables_.erase(found);
}

absl::Status RegionEntryTables::CheckFinalize(TableId table, SequenceNumber flush) {
  const auto found = Get(table, /*create=*/true);
  return found.ok() ? (*found)->CheckFinalize(flush) : found.status();
}

void RegionEntryTables::Finalized(TableId table, SequenceNumber through) {
  const auto found = Find(table);
  if (found.ok() && *found != nullptr) (*found)->Finalized(through);
}

void RegionEntryTables::Abandon() {
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, table] : tables_) table->Abandon();
}

}  // namespace walden::entry
