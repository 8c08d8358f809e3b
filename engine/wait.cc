#include "engine/wait.h"

#include <functional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/synchronization/notification.h"

namespace walden {
namespace {

// Begins an operation of the log, if there is one, and returns its result.
template <typename Result>
Result Await(RegionLog* log, absl::FunctionRef<void(std::function<void(Result)>)> begin) {
  // Shared, because notifying may go on in another thread when this function returns.
  struct Outcome {
    Result result;
    absl::Notification is_there;
  };
  const auto outcome = std::make_shared<Outcome>();
  begin([outcome](Result result) {
    outcome->result = std::move(result);
    outcome->is_there.Notify();
  });
  while (log != nullptr && log->Work()) {
  }
  outcome->is_there.WaitForNotification();
  return std::move(outcome->result);
}

absl::Status AwaitStatus(RegionLog& log, absl::FunctionRef<void(RegionLog::Done)> begin) {
  return Await<absl::Status>(&log, [&](const auto& done) { begin(done); });
}

}  // namespace

void CommitAndWait(RegionLog& log, absl::Span<AppendBatch* const> group) {
  (void)Await<bool>(&log, [&](const std::function<void(bool)>& done) {
    log.Commit(group, [done] { done(true); });
  });
}

absl::StatusOr<uint64_t> OpenProducerAndWait(RegionLog& log,
                                             std::optional<uint64_t> region_version) {
  return Await<absl::StatusOr<uint64_t>>(
      &log, [&](const auto& done) { log.OpenProducer(region_version, done); });
}

absl::StatusOr<std::vector<SequenceNumber>> MarkDeletedAndWait(
    RegionLog& log, std::vector<TableMark> marks, std::optional<uint64_t> region_version) {
  return Await<absl::StatusOr<std::vector<SequenceNumber>>>(
      &log, [&](const auto& done) { log.MarkDeleted(std::move(marks), region_version, done); });
}

absl::StatusOr<SequenceNumber> MarkTableAndWait(RegionLog& log, TableId table,
                                                SequenceNumber through,
                                                std::optional<uint64_t> region_version) {
  const std::vector<TableMark> marks = {{table, through}};
  const auto made = MarkDeletedAndWait(log, marks, region_version);
  if (!made.ok()) return made.status();
  return made->front();
}

absl::Status RestoreMarkAndWait(RegionLog& log, TableId table, SequenceNumber deleted_through,
                                TableKind kind) {
  return AwaitStatus(
      log, [&](const auto& done) { log.RestoreMark(table, deleted_through, kind, done); });
}

absl::Status RestoreNextAndWait(RegionLog& log, TableId table, SequenceNumber next) {
  return AwaitStatus(log, [&](const auto& done) { log.RestoreNext(table, next, done); });
}

absl::Status SyncAndWait(RegionLog& log) {
  return AwaitStatus(log, [&](const auto& done) { log.Sync(done); });
}

absl::Status NoteDurableAndWait(RegionLog& log) {
  return AwaitStatus(log, [&](const auto& done) { log.NoteDurable(done); });
}

absl::Status CloseAndWait(RegionLog& log) {
  return AwaitStatus(log, [&](const auto& done) { log.Close(done); });
}

absl::StatusOr<ReadProgress> NextAndWait(LogReader& reader, const ReadLimits& limits,
                                         absl::FunctionRef<void(const RecordView&)> visit) {
  while (true) {
    absl::StatusOr<ReadProgress> progress = reader.Next(limits, visit);
    if (!progress.ok() || *progress != ReadProgress::kFetching) return progress;
    (void)Await<bool>(nullptr, [&](const std::function<void(bool)>& done) {
      reader.WhenFetched([done] { done(true); });
    });
  }
}

absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegionAndWait(LogEngine& engine, RegionId region,
                                                             const RegionOptions& options,
                                                             bool create) {
  return Await<absl::StatusOr<std::unique_ptr<RegionLog>>>(nullptr, [&](const auto& done) {
    engine.OpenRegion(region, {.options = options, .create = create}, done);
  });
}

absl::StatusOr<bool> DropRegionAndWait(LogEngine& engine, RegionId region) {
  return Await<absl::StatusOr<bool>>(nullptr,
                                     [&](const auto& done) { engine.DropRegion(region, done); });
}

}  // namespace walden
