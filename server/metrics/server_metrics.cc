#include "server/metrics/server_metrics.h"

#include "absl/status/status.h"
#include "base/error.h"

namespace walden {
namespace {

void AddCalls(const Statistics& statistics, MetricFamilies& families) {
  for (size_t i = 0; i < kMethods; ++i) {
    const MethodInfo& method = InfoOf(static_cast<Method>(i));
    const Statistics::Calls& calls = statistics.calls[i];
    bool called = false;
    for (size_t code = 0; code < Statistics::Calls::kCodes; ++code) {
      const double ended = Value(calls.ended[code]);
      called |= ended > 0;
      if (code != 0 && ended == 0) continue;
      families.Add(Metric::kRpcRequests,
                   {{"service", method.service},
                    {"method", method.name},
                    {"code", absl::StatusCodeToString(static_cast<absl::StatusCode>(code))}},
                   ended);
    }
    const MetricLabels labels = {{"service", method.service}, {"method", method.name}};
    families.Add(Metric::kOpenCalls, labels, Value(calls.open));
    if (called) {
      families.Add(Metric::kRpcDuration, labels, calls.duration_nanos.Read(), kNanosPerSecond);
    }
  }
  for (const Method stream : {Method::kAppendStream, Method::kPutStream}) {
    const Histogram::Snapshot nanos = statistics.Of(stream).request_nanos.Read();
    if (nanos.sum == 0) continue;
    const MethodInfo& method = InfoOf(stream);
    families.Add(Metric::kStreamRequestDuration,
                 {{"service", method.service}, {"method", method.name}}, nanos, kNanosPerSecond);
  }
  for (size_t i = 0; i < kErrorReasons; ++i) {
    families.Add(Metric::kRefused, {{"reason", ErrorReasonName(static_cast<ErrorReason>(i))}},
                 Value(statistics.refused[i]));
  }
}

void AddAppends(const Statistics& statistics, MetricFamilies& families) {
  families.Add(Metric::kAppendBatches, Value(statistics.appended_batches));
  families.Add(Metric::kAppendRecords, Value(statistics.appended_records));
  families.Add(Metric::kAppendPayloadBytes, Value(statistics.appended_payload_bytes));
  families.Add(Metric::kAppendRefusedBatches, Value(statistics.refused_batches));
  families.Add(Metric::kAppendRetries, Value(statistics.retried_batches));
  families.Add(Metric::kCommits, Value(statistics.commits));
  families.Add(Metric::kCommitBatches, {}, statistics.commit_batches.Read(), 1);
  families.Add(Metric::kCommitBytes, {}, statistics.commit_payload_bytes.Read(), 1);
  families.Add(Metric::kCommitDuration, {}, statistics.commit_nanos.Read(), kNanosPerSecond);
  families.Add(Metric::kSyncs, Value(statistics.syncs));
}

void AddReads(const Statistics& statistics, MetricFamilies& families) {
  families.Add(Metric::kReadRecords, Value(statistics.read_records));
  families.Add(Metric::kReadPayloadBytes, Value(statistics.read_payload_bytes));
  families.Add(Metric::kOpenReaders, Value(statistics.open_readers));
}

void AddRegionEvents(const Statistics& statistics, MetricFamilies& families) {
  families.Add(Metric::kRegionFailures, Value(statistics.failed_regions));
  // CORRUPTION is exposed from the start, so that alerts see its first increase.
  for (size_t i = 0; i < kErrorReasons; ++i) {
    const auto reason = static_cast<ErrorReason>(i);
    const double failed = Value(statistics.failed_openings[i]);
    if (failed == 0 && reason != ErrorReason::kCorruption) continue;
    families.Add(Metric::kOpeningFailures, {{"reason", ErrorReasonName(reason)}}, failed);
  }
  families.Add(Metric::kTornTails, Value(statistics.torn_tails));
  families.Add(Metric::kTornTailBytes, Value(statistics.torn_tail_bytes));
  families.Add(Metric::kDamagedRanges, Value(statistics.damaged_ranges));
}

}  // namespace

void AddStatistics(const Statistics& statistics, MetricFamilies& families) {
  AddCalls(statistics, families);
  AddAppends(statistics, families);
  AddReads(statistics, families);
  AddRegionEvents(statistics, families);
}

void AddBudgets(const ServerObservation& server, MetricFamilies& families) {
  families.Add(Metric::kMailboxJobs, Value(server.statistics.waiting_jobs));
  server.registry.With([&](const RegionRegistry& registry) {
    families.Add(Metric::kMailboxBytes, static_cast<double>(registry.mailbox_budget().used()));
    families.Add(Metric::kMailboxLimit, static_cast<double>(registry.mailbox_budget().limit()));
  });
  families.Add(Metric::kReaderBytes, static_cast<double>(server.reader_budget.used()));
  families.Add(Metric::kReaderLimit, static_cast<double>(server.reader_budget.limit()));
  families.Add(Metric::kEntryBytes, static_cast<double>(server.entry_memory.pages().used()));
  families.Add(Metric::kEntryLimit, static_cast<double>(server.entry_memory.pages().limit()));
}

}  // namespace walden
