#include "tests/simulation/damaged_region.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

bool IsReported(const OpeningReport& report, SequenceNumber sequence) {
  return std::any_of(report.damaged.begin(), report.damaged.end(), [&](const DamagedRange& range) {
    return range.first <= sequence && sequence <= range.last;
  });
}

// As a recovery reads a table: through what is visible now.
absl::StatusOr<std::vector<StoredRecord>> Recover(const RegionLog& log, TableId table) {
  const auto reader = log.NewReader(ReadRange{table});
  if (!reader.ok()) return reader.status();
  (*reader)->EndHere();
  std::vector<StoredRecord> records;
  while (true) {
    const auto progress = NextInto(**reader, ReadLimits{}, records);
    if (!progress.ok()) return progress.status();
    if (*progress != ReadProgress::kMore) return records;
  }
}

}  // namespace

DamagedRegion::DamagedRegion(const RegionModel& model) {
  for (const TableId id : model.Tables()) {
    tables_[id] = {model.Live(id), model.MarkOf(id), model.HighestAnswered(id)};
  }
}

std::vector<TableId> DamagedRegion::Tables() const {
  std::vector<TableId> ids;
  for (const auto& [id, table] : tables_) {
    if (table.highest > 0) ids.push_back(id);
  }
  return ids;
}

absl::Status DamagedRegion::MarkSoundTables(RegionLog& log) {
  for (const auto& [id, table] : tables_) {
    if (table.live.empty() || !ReadAll(log, ReadRange{id}).ok()) continue;
    absl::Status status = Mark(log, id, table.live.back().sequence);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DamagedRegion::Compare(const RegionLog& log) const {
  for (const auto& [id, table] : tables_) {
    absl::Status status = CompareTable(log, id, table);
    if (!status.ok()) return Wrong("table ", id, " beside damage: ", status.message());
  }
  return absl::OkStatus();
}

absl::Status DamagedRegion::CompareTable(const RegionLog& log, TableId id,
                                         const Table& table) const {
  const OpeningReport report = log.Describe().opening;
  bool all_there = true;
  for (const StoredRecord& record : table.live) {
    const auto read = ReadAll(log, ReadRange{id, record.sequence, record.sequence});
    if (read.ok() && *read == std::vector<StoredRecord>{record}) continue;
    if (read.ok()) return Wrong("silently lost or changed: ", record.sequence);
    if (read.status().code() != absl::StatusCode::kDataLoss) return read.status();
    if (!IsReported(report, record.sequence)) {
      return Wrong("DATA_LOSS outside of every reported range: ", record.sequence);
    }
    all_there = false;
  }
  for (const auto& whole : {ReadAll(log, ReadRange{id}), Recover(log, id)}) {
    if (whole.ok() && *whole != table.live) return Wrong("a read of all of it is OK and too short");
    if (!whole.ok() && whole.status().code() != absl::StatusCode::kDataLoss) return whole.status();
  }
  // Callers read up to the position that they are shown.
  const TablePosition position = log.Position(id);
  if (!all_there && position.next <= table.live.back().sequence) {
    return Wrong("damage at its end is not shown: next is ", position.next, ", but ",
                 table.live.back().sequence, " was answered");
  }
  if (position.deleted_through != table.mark) {
    return Wrong("deleted through ", position.deleted_through, ", not ", table.mark);
  }
  return absl::OkStatus();
}

absl::Status DamagedRegion::Append(RegionLog& log, TableId id, const std::string& payload) {
  Table& table = tables_[id];
  if (table.highest > 0) {
    Batch again;
    again.table = id;
    again.payloads = {payload};
    again.expected_next_sequence = table.highest;
    const BatchResult result = CommitOne(log, again);
    if (result.status.ok()) {
      return Wrong("table ", id, ": compare-and-append with ", table.highest,
                   ", which was answered before, is accepted");
    }
    if (!HasReason(result.status, ErrorReason::kSequenceMismatch)) return result.status;
  }
  Batch batch;
  batch.table = id;
  batch.payloads = {payload};
  const BatchResult result = CommitOne(log, batch);
  if (!result.status.ok()) return WithContext(result.status, "append beside a quarantined range");
  if (result.first <= table.highest) {
    return Wrong("table ", id, ": number ", result.first, " came back after damage");
  }
  table.highest = result.last;
  table.live.push_back({id, result.first, payload});
  return absl::OkStatus();
}

absl::Status DamagedRegion::Mark(RegionLog& log, TableId id, SequenceNumber through) {
  Table& table = tables_[id];
  const SequenceNumber expected = std::max(table.mark, through);
  const auto answer = MarkTable(log, id, through);
  if (!answer.ok()) return WithContext(answer.status(), "a mark beside a quarantined range");
  if (*answer != expected) {
    return Wrong("table ", id, ": marked through ", through, ", answered ", *answer);
  }
  table.mark = expected;
  table.live.erase(table.live.begin(),
                   std::find_if(table.live.begin(), table.live.end(),
                                [&](const StoredRecord& r) { return r.sequence > expected; }));
  return absl::OkStatus();
}

}  // namespace walden::testing
