#include "tests/simulation/damaged_region.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/simulation/find_last_records.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

bool IsReported(const OpeningReport& report, SequenceNumber sequence) {
  return std::any_of(report.damaged.begin(), report.damaged.end(), [&](const DamagedRange& range) {
    return range.first <= sequence && sequence <= range.last;
  });
}

// Whether damage in a file that is still there may have held the number.
bool IsInASegment(const RegionDescription& region, SequenceNumber number) {
  return std::any_of(
      region.opening.damaged.begin(), region.opening.damaged.end(), [&](const auto& range) {
        if (number < range.first || number > range.last) return false;
        return std::any_of(
            region.segments.begin(), region.segments.end(),
            [&](const auto& segment) { return absl::EndsWith(range.file, "/" + segment.file); });
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
    Table& table = tables_[id];
    table.live = model.Live(id);
    table.mark = model.MarkOf(id);
    table.highest = model.HighestAnswered(id);
  }
  for (const RegionModel::StoredBatch& batch : model.batches()) {
    for (const RegionModel::StoredPart& part : batch.parts) {
      for (SequenceNumber number = part.first; number <= part.last(); ++number) {
        tables_[part.table].appended[number] = part.appended_micros;
      }
    }
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

absl::Status DamagedRegion::Compare(const RegionLog& log, bool was_harmed) {
  for (auto& [id, table] : tables_) {
    absl::Status status = CompareTable(log, id, table, was_harmed);
    if (!status.ok()) return Wrong("table ", id, " beside damage: ", status.message());
  }
  return absl::OkStatus();
}

absl::Status DamagedRegion::CompareRecords(const RegionLog& log, TableId id, Table& table,
                                           bool was_harmed) {
  const OpeningReport report = log.Describe().opening;
  std::set<SequenceNumber> lost;
  for (const StoredRecord& record : table.live) {
    const auto read = ReadAll(log, ReadRange{id, record.sequence, record.sequence});
    if (read.ok() && *read == std::vector<StoredRecord>{record}) continue;
    if (read.ok()) return Wrong("silently lost or changed: ", record.sequence);
    if (read.status().code() != absl::StatusCode::kDataLoss) return read.status();
    if (!IsReported(report, record.sequence)) {
      return Wrong("DATA_LOSS outside of every reported range: ", record.sequence);
    }
    if (!was_harmed && !table.lost.contains(record.sequence)) {
      return Wrong(record.sequence, " was read before, and is lost without more damage");
    }
    lost.insert(record.sequence);
  }
  table.lost = std::move(lost);
  return absl::OkStatus();
}

absl::Status DamagedRegion::CompareTable(const RegionLog& log, TableId id, Table& table,
                                         bool was_harmed) {
  RETURN_IF_WRONG(CompareRecords(log, id, table, was_harmed));
  for (const auto& whole : {ReadAll(log, ReadRange{id}), Recover(log, id)}) {
    if (whole.ok() && *whole != table.live) return Wrong("a read of all of it is OK and too short");
    if (!whole.ok() && whole.status().code() != absl::StatusCode::kDataLoss) return whole.status();
  }
  // Callers read up to the position that they are shown.
  const TablePosition position = log.Position(id);
  if (!table.lost.empty() && position.next <= table.live.back().sequence) {
    return Wrong("damage at its end is not shown: next is ", position.next, ", but ",
                 table.live.back().sequence, " was answered");
  }
  if (position.deleted_through != table.mark) {
    return Wrong("deleted through ", position.deleted_through, ", not ", table.mark);
  }
  return absl::OkStatus();
}

absl::Status DamagedRegion::Verify(const RegionLog& log) const {
  bool found = false;
  const absl::Status status = log.Verify([&](const VerifyProgress& progress) {
    found |= !progress.findings.empty();
    return true;
  });
  if (!status.ok()) return WithContext(status, "verifying beside damage");
  const RegionDescription region = log.Describe();
  for (const auto& [id, table] : tables_) {
    // Of a segment that was removed nothing is left to be verified.
    if (found || table.lost.empty() || !IsInASegment(region, *table.lost.begin())) continue;
    return Wrong("verifying finds nothing, but record ", *table.lost.begin(), " of table ", id,
                 " is lost");
  }
  return absl::OkStatus();
}

absl::Status DamagedRegion::FindLast(const RegionLog& log, TableId id, uint64_t count) const {
  const std::vector<StoredRecord>& live = tables_.at(id).live;
  const auto first = FindLastRecords(log, id, count, [] { return absl::OkStatus(); });
  if (absl::IsDataLoss(first.status()) && log.Position(id).damaged) return absl::OkStatus();
  if (!first.ok()) return first.status();
  const uint64_t found = std::count_if(live.begin(), live.end(), [&](const StoredRecord& record) {
    return record.sequence >= *first;
  });
  if (found == std::min<uint64_t>(count, live.size())) return absl::OkStatus();
  return Wrong("table ", id, ": ", found, " of ", live.size(), " records from ", *first,
               " on, not the last ", count);
}

absl::Status DamagedRegion::MarkBefore(RegionLog& log, TableId id, int64_t unix_micros) {
  const auto first = log.FirstSince(id, absl::FromUnixMicros(unix_micros));
  if (!first.ok()) return first.status();
  RETURN_IF_WRONG(CheckSpared(id, unix_micros, *first));
  return Mark(log, id, *first - 1);
}

absl::Status DamagedRegion::Retain(RegionLog& log, int64_t unix_micros) {
  constexpr absl::Duration kAge = absl::Hours(1);
  const auto plan = log.PlanRetention({.age = kAge}, absl::FromUnixMicros(unix_micros) + kAge);
  if (!plan.ok()) return plan.status();
  for (const TableMark& mark : plan->marks) {
    RETURN_IF_WRONG(CheckSpared(mark.table, unix_micros, mark.through + 1));
    RETURN_IF_WRONG(Mark(log, mark.table, mark.through));
  }
  return absl::OkStatus();
}

absl::Status DamagedRegion::CheckSpared(TableId id, int64_t unix_micros,
                                        SequenceNumber first) const {
  const Table& table = tables_.at(id);
  for (const StoredRecord& record : table.live) {
    if (record.sequence >= first) break;
    const auto appended = table.appended.find(record.sequence);
    if (appended == table.appended.end() || appended->second >= unix_micros) {
      return Wrong("table ", id, ": ", first, " since ", unix_micros, " skips ", record.sequence,
                   " beside damage");
    }
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
