#include "tests/support/log_verbs.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/error.h"
#include "engine/wait.h"

namespace walden::testing {

std::ostream& operator<<(std::ostream& out, const StoredRecord& record) {
  out << "table " << record.table << " sequence " << record.sequence << " ("
      << record.payload.size() << " bytes)";
  if (record.payload.size() <= 40) out << " \"" << record.payload << '"';
  return out;
}

std::string ShowStatus(const absl::Status& status) {
  if (status.ok()) return "OK";
  return absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
}

std::string ErrorValue(const absl::Status& status, const std::string& key) {
  const auto info = GetErrorInfo(status);
  if (!info.has_value()) return "";
  const auto value = info->metadata.find(key);
  return value == info->metadata.end() ? "" : value->second;
}

absl::Status AcquireLog(RegionLog& log, const AcquireRequest& request) {
  // Shared, because notifying may go on in another thread when this function returns.
  struct Outcome {
    absl::Status status;
    absl::Notification is_there;
  };
  const auto outcome = std::make_shared<Outcome>();
  log.Acquire(request, [outcome](const absl::Status& status) {
    outcome->status = status;
    outcome->is_there.Notify();
  });
  while (log.Work()) {
  }
  outcome->is_there.WaitForNotification();
  return outcome->status;
}

absl::StatusOr<std::unique_ptr<RegionLog>> OpenOwned(LogEngine& engine, RegionId region,
                                                     const RegionOptions& options, bool create) {
  auto log = OpenRegionAndWait(engine, region, options, create);
  if (!log.ok() || (*log)->ownership().is_owner) return log;
  const absl::Status acquired = AcquireLog(**log);
  if (!acquired.ok()) return acquired;
  return log;
}

AppendBatch EngineBatch(const Batch& batch) {
  AppendBatch made;
  made.durability = batch.durability;
  made.region_version = batch.region_version;
  made.producer = batch.producer;
  made.kind = batch.kind;
  if (batch.payloads.empty() && batch.more.empty()) return made;
  TableAppend& append = made.tables.emplace_back();
  append.table = batch.table;
  append.payloads.assign(batch.payloads.begin(), batch.payloads.end());
  append.expected_next_sequence = batch.expected_next_sequence;
  append.first_sequence = batch.first_sequence;
  for (const BatchPart& part : batch.more) {
    made.tables.push_back({.table = part.table,
                           .payloads = {part.payloads.begin(), part.payloads.end()},
                           .expected_next_sequence = part.expected_next_sequence,
                           .first_sequence = std::nullopt});
  }
  return made;
}

BatchResult ResultOf(const AppendBatch& batch) {
  BatchResult result{batch.result};
  if (!batch.tables.empty()) {
    result.first = batch.tables[0].first;
    result.last = batch.tables[0].last;
  }
  for (size_t i = 1; i < batch.tables.size(); ++i) {
    result.more.push_back({batch.tables[i].first, batch.tables[i].last});
  }
  return result;
}

std::vector<BatchPart> PartsOf(const Batch& batch) {
  if (batch.payloads.empty() && batch.more.empty()) return {};
  std::vector<BatchPart> parts = {{batch.table, batch.payloads, batch.expected_next_sequence}};
  parts.insert(parts.end(), batch.more.begin(), batch.more.end());
  return parts;
}

std::vector<PartResult> NumbersOf(const Batch& batch, const BatchResult& result) {
  if (batch.payloads.empty() && batch.more.empty()) return {};
  std::vector<PartResult> numbers = {{result.first, result.last}};
  numbers.insert(numbers.end(), result.more.begin(), result.more.end());
  return numbers;
}

std::vector<BatchResult> CommitGroup(RegionLog& log, const std::vector<Batch>& group) {
  std::vector<AppendBatch> batches(group.size());
  std::vector<AppendBatch*> pointers;
  for (size_t i = 0; i < group.size(); ++i) {
    batches[i] = EngineBatch(group[i]);
    pointers.push_back(&batches[i]);
  }
  CommitAndWait(log, pointers);
  std::vector<BatchResult> results;
  for (const AppendBatch& batch : batches) results.push_back(ResultOf(batch));
  return results;
}

BatchResult CommitOne(RegionLog& log, const Batch& batch) { return CommitGroup(log, {batch})[0]; }

absl::StatusOr<SequenceNumber> MarkTable(RegionLog& log, TableId table, SequenceNumber through,
                                         std::optional<uint64_t> region_version) {
  return MarkTableAndWait(log, table, through, region_version);
}

absl::Status Fence(RegionLog& log, uint64_t region_version) {
  return MarkTable(log, 0, 0, region_version).status();
}

absl::StatusOr<ReadProgress> NextInto(LogReader& reader, const ReadLimits& limits,
                                      std::vector<StoredRecord>& records) {
  return reader.Next(limits, [&records](const RecordView& record) {
    records.push_back({record.table, record.sequence, std::string(record.payload)});
  });
}

absl::StatusOr<std::vector<StoredRecord>> ReadAll(const RegionLog& log, const ReadRange& range,
                                                  const ReadLimits& limits) {
  auto reader = log.NewReader(range);
  if (!reader.ok()) return reader.status();
  std::vector<StoredRecord> records;
  while (true) {
    const auto progress = NextInto(**reader, limits, records);
    if (!progress.ok()) return progress.status();
    if (*progress != ReadProgress::kMore && *progress != ReadProgress::kSkipped) return records;
  }
}

absl::StatusOr<std::vector<StoredRecord>> ReadTable(const RegionLog& log, TableId table) {
  ReadRange range;
  range.table = table;
  return ReadAll(log, range);
}

}  // namespace walden::testing
