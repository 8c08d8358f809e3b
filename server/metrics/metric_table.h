// The table of every metric that the daemon exposes, with name, type, labels and meaning. The
// exposition and docs/operators/metrics.md are both made from it.
//
// Names follow Prometheus' conventions: the prefix walden_, the unit at the end (_seconds, _bytes),
// and _total for counters. Metrics of the process have the names that other programs use, too.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace walden {

enum class Metric {
  // The daemon
  kBuildInfo,
  kReady,
  kNamespaceOpen,
  kUnconfiguredNamespaces,
  kRegionsToScan,
  kProcessCpu,
  kProcessResident,
  kProcessVirtual,
  kProcessOpenFds,
  kProcessMaxFds,
  kProcessThreads,
  kProcessStartTime,
  // Calls
  kRpcRequests,
  kRpcDuration,
  kStreamRequestDuration,
  kOpenCalls,
  kRefused,
  kOpenConnections,
  kConnectionsLimit,
  kRefusedConnections,
  kTenantCalls,
  kTenantBytes,
  kTenantRefusals,
  // Appends
  kAppendBatches,
  kAppendRecords,
  kAppendPayloadBytes,
  kAppendRefusedBatches,
  kAppendRetries,
  kCommits,
  kCommitBatches,
  kCommitBytes,
  kCommitDuration,
  kSyncs,
  kSyncDuration,
  // Reads
  kReadRecords,
  kReadPayloadBytes,
  kOpenReaders,
  kFollowers,
  kFollowerLag,
  // Memory
  kMailboxJobs,
  kMailboxBytes,
  kMailboxLimit,
  kReaderBytes,
  kReaderLimit,
  kEntryBytes,
  kEntryLimit,
  // Regions
  kRegions,
  kRegionFault,
  kRegionAllocated,
  kRegionLive,
  kRegionRecords,
  kRegionSegments,
  kRegionTables,
  kRegionIndex,
  kRegionOldestSequence,
  kRegionOldestAge,
  kRegionDamagedRanges,
  kRegionFailures,
  kOpeningFailures,
  kTornTails,
  kTornTailBytes,
  kDamagedRanges,
  // Disk
  kDiskSize,
  kDiskFree,
  kDiskReserve,
  kDiskLow,
  kDiskQuota,
  kDiskQuotaUsed,
  kReclaimedBytes,
  kSpareSegments,
  kSegmentsStarted,
  kRetentionRounds,
  kRetentionRecords,
  kRetentionBytes,
  kRetentionFailures,
  // Security
  kCertificateExpiry,
  kIdentities,
  kSecurityLoads,
  // RocksDB
  kRocksdbMemtable,
  kRocksdbTableFiles,
  kRocksdbLiveTableFiles,
  kRocksdbWal,
  kRocksdbPendingCompaction,
  kRocksdbRunningCompactions,
  kRocksdbRunningFlushes,
  kRocksdbBackgroundErrors,
  kRocksdbBlockCache,
  kRocksdbBlockCacheLimit,
  kRocksdbWaitingReclaim,
};
inline constexpr size_t kMetrics = static_cast<size_t>(Metric::kRocksdbWaitingReclaim) + 1;

enum class MetricKind { kCounter, kGauge, kHistogram };

struct MetricInfo {
  Metric metric;
  absl::string_view name;
  MetricKind kind;
  absl::string_view labels;  // separated by ", "; empty: none
  absl::string_view help;    // one or more sentences
};

const MetricInfo& InfoOf(Metric metric);

// The metrics by subject, in the order in which they are exposed.
struct MetricGroup {
  absl::string_view title;
  absl::Span<const MetricInfo> metrics;
};
std::vector<MetricGroup> MetricGroups();

}  // namespace walden
