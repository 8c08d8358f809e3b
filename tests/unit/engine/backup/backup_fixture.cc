#include "tests/unit/engine/backup/backup_fixture.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/backup/directory.h"

namespace walden::backup {
namespace {

std::string ShowTable(TableId table, TableKind kind, SequenceNumber next, SequenceNumber mark) {
  return absl::StrCat("table ", table, kind == TableKind::kEntries ? " entries" : " log", " next ",
                      next, " deleted ", mark, "\n");
}

std::string ShowRecord(SequenceNumber sequence, absl::string_view payload) {
  return absl::StrCat("  ", sequence, " ", payload.size(), " ", payload.substr(0, 40), "\n");
}

}  // namespace

void SourceLog::Append(TableId table, const std::string& payload, SequenceNumber gap) {
  SourceTable& held = tables_[table];
  held.next += gap;
  held.records[held.next++] = payload;
}

void SourceLog::MarkDeleted(TableId table, SequenceNumber through) {
  SourceTable& held = tables_[table];
  held.deleted_through = std::max(held.deleted_through, std::min(through, held.next - 1));
  held.records.erase(held.records.begin(), held.records.upper_bound(held.deleted_through));
}

Cut SourceLog::TakeCut() const {
  Cut cut{.engine = "segment", .taken_at = "2026-01-02T03:04:05.000Z", .region_version = 5};
  for (const auto& [id, held] : tables_) {
    const bool live = !held.records.empty();
    cut.tables.push_back({.table = id,
                          .next = held.next,
                          .deleted_through = held.deleted_through,
                          .first_live = live ? held.records.begin()->first : 0,
                          .last_live = live ? held.records.rbegin()->first : 0,
                          .kind = held.kind});
  }
  return cut;
}

std::string SourceLog::Show() const {
  std::string text;
  for (const auto& [id, held] : tables_) {
    text += ShowTable(id, held.kind, held.next, held.deleted_through);
    for (const auto& [sequence, payload] : held.records) text += ShowRecord(sequence, payload);
  }
  return text;
}

absl::Status SourceLog::BackUpInto(RegionWriter& writer, size_t group) const {
  const Cut cut = TakeCut();
  absl::Status status = writer.CheckContinues(cut);
  for (const auto& [id, held] : tables_) {
    std::vector<RecordView> records;
    for (auto at = held.records.upper_bound(writer.CopiedOf(id).through); at != held.records.end();
         ++at) {
      records.push_back({.table = id, .sequence = at->first, .payload = at->second});
      if (records.size() < group) continue;
      if (status.ok()) status = writer.Add(records);
      records.clear();
    }
    if (status.ok()) status = writer.Add(records);
  }
  return status.ok() ? writer.Commit(cut) : status;
}

RegionTarget TargetOn(FileSystem* disk, RegionId region) {
  return {.file_system = disk,
          .backup_directory = kBackup,
          .identity = {.namespace_id = 1, .namespace_name = "default", .address = "unix:/sock"},
          .region = region,
          .max_data_file_bytes = 4000};
}

absl::Status BackUp(FileSystem* disk, const SourceLog& log, RegionId region) {
  const auto lock = OpenForBackup(disk, kBackup, TargetOn(disk).identity);
  if (!lock.ok()) return lock.status();
  const auto writer = RegionWriter::Open(TargetOn(disk, region));
  if (!writer.ok()) return writer.status();
  return log.BackUpInto(**writer);
}

std::string ShowBackup(FileSystem* disk, RegionId region) {
  const auto reader = RegionReader::Open(disk, kBackup, region);
  if (!reader.ok()) return reader.status().ToString();
  return ShowLog(**reader);
}

std::string ShowLog(const ReadableLog& log) {
  std::string text;
  for (const TableState& table : log.Describe().tables) {
    const TablePosition position = log.Position(table.table);
    text += ShowTable(table.table, position.kind.value_or(TableKind::kLog), position.last + 1,
                      position.deleted_through);
    const auto reader = log.NewReader({.table = table.table});
    if (!reader.ok()) return reader.status().ToString();
    while (true) {
      const auto progress = (*reader)->Next({.max_records = 2}, [&](const RecordView& record) {
        text += ShowRecord(record.sequence, record.payload);
      });
      if (!progress.ok()) return progress.status().ToString();
      if (*progress != ReadProgress::kMore) break;
    }
  }
  return text;
}

absl::StatusOr<RegionVerification> VerifyAll(FileSystem* disk, RegionId region) {
  return VerifyRegion(disk, kBackup, region, [](uint64_t) { return true; });
}

SourceLog SomeLog() {
  SourceLog log;
  for (int turn = 0; turn < 8; ++turn) {
    log.Append(1, absl::StrCat("one-", turn));
    log.Append(1, "");
    log.Append(1, std::string(700 * turn, 'p'), /*gap=*/turn == 3 ? 100 : 0);
    log.Append(2, absl::StrCat("gone-", turn));
    log.Append(9, absl::StrCat("key-", turn));
  }
  log[9].kind = TableKind::kEntries;
  log.MarkDeleted(1, 4);
  log.MarkDeleted(2, 1000);
  return log;
}

}  // namespace walden::backup
