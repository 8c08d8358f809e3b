#include "tests/support/memory_engine/memory_state.h"

#include <algorithm>

namespace walden {

void MemoryState::Apply(const MemoryChange& change) {
  region_version = std::max(region_version, change.region_version.value_or(0));
  for (const TableMark& mark : change.marks) {
    Table& table = tables[mark.table];
    table.deleted_through = std::max(table.deleted_through, mark.through);
    table.last = std::max(table.last, mark.through);
    table.next = std::max(table.next, mark.through + 1);
    if (!table.kind) table.kind = TableKind::kLog;
  }
  for (const auto& [id, kind] : change.kinds) tables[id].kind = kind;
  for (const auto& [id, next] : change.next) {
    Table& table = tables[id];
    table.next = std::max(table.next, next);
  }
  for (const MemoryChange::Record& record : change.records) {
    Table& table = tables[record.table];
    table.last = record.sequence;
    table.next = std::max(table.next, record.sequence + 1);
    table.last_unix_micros = std::max(table.last_unix_micros, record.unix_micros);
    if (!table.kind) table.kind = TableKind::kLog;
  }
  if (change.batch) {
    ProducerBatch batch = *change.batch;
    batch.order = ++activity;
    producers.Add(batch);
  }
  if (change.producer_forgotten) producers.Forget(*change.producer_forgotten);
  if (change.producer_issued) producers.Issue(*change.producer_issued, ++activity);
}

MemoryState::Table MemoryState::Of(TableId table) const {
  const auto found = tables.find(table);
  return found == tables.end() ? Table{} : found->second;
}

}  // namespace walden
