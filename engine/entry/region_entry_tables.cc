#include "engine/entry/region_entry_tables.h"

#include <utility>

#include "base/error.h"
#include "engine/common/table_kind.h"
#include "engine/log_errors.h"

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
  const Ownership ownership = log_->ownership();
  if (!ownership.is_owner) return OwnedElsewhere(ownership.owner);
  return Get(table, /*create=*/false);
}

absl::Status RegionEntryTables::Admit(const AppendBatch& batch, Reservations& reserved) {
  for (const TableAppend& append : batch.tables) {
    const auto table = Get(append.table, /*create=*/true);
    if (!table.ok()) return table.status();
    Reservation reservation{.table = *table};
    const absl::Status status = (*table)->Reserve(append, &reservation.bytes);
    if (!status.ok()) return status;
    reserved.push_back(std::move(reservation));
  }
  return absl::OkStatus();
}

void RegionEntryTables::Applied(const AppendBatch& batch, const Reservations& reserved) {
  const bool wrong_kind = HasReason(batch.result.status, ErrorReason::kWrongTableKind);
  absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < reserved.size(); ++i) {
    // The table may have been dropped meanwhile: a reader may still hold it.
    reserved[i].table->Applied(batch.tables[i], batch.result, reserved[i].bytes);
    const auto found = tables_.find(batch.tables[i].table);
    if (found == tables_.end()) continue;
    if (found->second != reserved[i].table) {
      found->second->Applied(batch.tables[i], batch.result, /*reserved_bytes=*/0);
    }
    // The table became a plain log meanwhile.
    if (wrong_kind && log_->Position(found->first).kind == TableKind::kLog) tables_.erase(found);
  }
}

absl::Status RegionEntryTables::CheckFinalize(TableId table, SequenceNumber flush) {
  const auto found = Get(table, /*create=*/true);
  return found.ok() ? (*found)->CheckFinalize(flush) : found.status();
}

void RegionEntryTables::Finalized(TableId table, SequenceNumber through) {
  const auto found = Find(table);
  if (found.ok() && *found != nullptr) (*found)->Finalized(through);
}

void RegionEntryTables::Forget() {
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, table] : tables_) table->Abandon();
  tables_.clear();
}

void RegionEntryTables::Abandon() {
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, table] : tables_) table->Abandon();
}

}  // namespace walden::entry
