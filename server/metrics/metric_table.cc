#include "server/metrics/metric_table.h"

#include <array>

namespace walden {
namespace {

using Kind = MetricKind;

constexpr std::array<MetricInfo, kMetrics> kTable = {{
    {Metric::kBuildInfo, "walden_build_info", Kind::kGauge, "version, compiler",
     "Always 1; what was built is in the labels."},
    {Metric::kReady, "walden_ready", Kind::kGauge, "",
     "1 while calls are served, 0 while namespaces are opened or the daemon shuts down: what "
     "/readyz says."},
    {Metric::kNamespaceOpen, "walden_namespace_open", Kind::kGauge, "namespace",
     "1 if the namespace is served; 0 while it is being opened, or if it cannot be opened or its "
     "regions cannot be listed: /readyz says why."},
    {Metric::kUnconfiguredNamespaces, "walden_unconfigured_namespaces", Kind::kGauge, "",
     "Directories below data_dir that hold data and belong to no namespace of the configuration."},
    {Metric::kRegionsToScan, "walden_regions_to_scan", Kind::kGauge, "",
     "Regions that were found at the start and are still to be opened. A call that names one opens "
     "it at once."},
    {Metric::kProcessCpu, "process_cpu_seconds_total", Kind::kCounter, "",
     "Processor time, user and system."},
    {Metric::kProcessResident, "process_resident_memory_bytes", Kind::kGauge, "",
     "Resident memory. Pages of log files that were read count until the kernel drops them."},
    {Metric::kProcessVirtual, "process_virtual_memory_bytes", Kind::kGauge, "",
     "Virtual memory, mapped log files included."},
    {Metric::kProcessOpenFds, "process_open_fds", Kind::kGauge, "", "Open file descriptors."},
    {Metric::kProcessMaxFds, "process_max_fds", Kind::kGauge, "",
     "File descriptors that may be open."},
    {Metric::kProcessThreads, "process_threads", Kind::kGauge, "", "Threads."},
    {Metric::kProcessStartTime, "process_start_time_seconds", Kind::kGauge, "",
     "When the process was started, in Unix time."},

    {Metric::kRpcRequests, "walden_rpc_requests_total", Kind::kCounter, "service, method, code",
     "Calls that have ended, by their status. A stream is one call. Code OK is there from the "
     "start, others with their first call."},
    {Metric::kRpcDuration, "walden_rpc_duration_seconds", Kind::kHistogram, "service, method",
     "From a call's arrival to its end; of a stream, as long as it stayed. There once the method "
     "was called."},
    {Metric::kStreamRequestDuration, "walden_stream_request_duration_seconds", Kind::kHistogram,
     "service, method",
     "AppendStream and PutStream: from the arrival of a batch to its answer. There once a batch "
     "was answered."},
    {Metric::kOpenCalls, "walden_open_calls", Kind::kGauge, "service, method",
     "Calls under way, open streams among them."},
    {Metric::kRefused, "walden_refused_requests_total", Kind::kCounter, "reason",
     "Requests that were answered with an error, by its reason (ErrorInfo.reason): whole calls, "
     "and "
     "single requests in a stream that goes on. FENCED: writers that were replaced. CORRUPTION: "
     "reads of damaged records."},

    {Metric::kOpenConnections, "walden_open_connections", Kind::kGauge, "",
     "Connections of clients."},
    {Metric::kConnectionsLimit, "walden_connections_limit", Kind::kGauge, "",
     "limits.max_connections; 0: none."},
    {Metric::kRefusedConnections, "walden_refused_connections_total", Kind::kCounter, "",
     "Connections that were closed as they came, because there were too many."},
    {Metric::kTenantCalls, "walden_tenant_calls", Kind::kGauge, "identity",
     "Calls under way, by who makes them; of callers who are not told apart the identity is "
     "empty."},
    {Metric::kTenantBytes, "walden_tenant_in_flight_bytes", Kind::kGauge, "identity",
     "Memory of appends that are not answered yet, by who sent them."},
    {Metric::kTenantRefusals, "walden_tenant_refusals_total", Kind::kCounter, "identity",
     "Requests that were refused because their sender had reached a limit of its own."},

    {Metric::kAppendBatches, "walden_append_batches_total", Kind::kCounter, "",
     "Batches that were accepted, puts and answered retries among them."},
    {Metric::kAppendRecords, "walden_append_records_total", Kind::kCounter, "",
     "Records of accepted batches."},
    {Metric::kAppendPayloadBytes, "walden_append_payload_bytes_total", Kind::kCounter, "",
     "Payload bytes of accepted batches."},
    {Metric::kAppendRefusedBatches, "walden_append_refused_batches_total", Kind::kCounter, "",
     "Batches that reached a region and were refused there."},
    {Metric::kAppendRetries, "walden_append_retries_total", Kind::kCounter, "",
     "Retries of stored batches, answered with their original numbers and stored once."},
    {Metric::kCommits, "walden_commits_total", Kind::kCounter, "",
     "Groups of batches that were written together."},
    {Metric::kCommitBatches, "walden_commit_batches", Kind::kHistogram, "",
     "Batches in one group: how many appends share a write and a sync."},
    {Metric::kCommitBytes, "walden_commit_bytes", Kind::kHistogram, "",
     "Payload bytes in one group."},
    {Metric::kCommitDuration, "walden_commit_duration_seconds", Kind::kHistogram, "",
     "Writing one group, its sync included."},
    {Metric::kSyncs, "walden_syncs_total", Kind::kCounter, "",
     "Groups that had to be durable before they were answered, and syncs that were asked for or "
     "due "
     "by themselves."},
    {Metric::kSyncDuration, "walden_sync_duration_seconds", Kind::kHistogram, "namespace",
     "One sync of a log. Engine segment: fdatasync of a segment. Engine rocksdb: a synced write, "
     "which may wait for another one to share its sync."},

    {Metric::kReadRecords, "walden_read_records_total", Kind::kCounter, "",
     "Records handed to readers."},
    {Metric::kReadPayloadBytes, "walden_read_payload_bytes_total", Kind::kCounter, "",
     "Payload bytes of records handed to readers."},
    {Metric::kOpenReaders, "walden_open_readers", Kind::kGauge, "",
     "Readers of logs, those of Recover and Flush too."},
    {Metric::kFollowers, "walden_followers", Kind::kGauge, "namespace",
     "Readers that stay at the end of a table's log."},
    {Metric::kFollowerLag, "walden_follower_lag_records", Kind::kGauge, "namespace",
     "How many numbers the follower that is furthest behind is behind the end of its table; of the "
     "segment engine, whose tables share their numbers, at most so many records."},

    {Metric::kMailboxJobs, "walden_mailbox_jobs", Kind::kGauge, "",
     "Appends, marks and syncs that were accepted and are not answered yet, over all regions."},
    {Metric::kMailboxBytes, "walden_mailbox_bytes", Kind::kGauge, "",
     "Memory of appends that are not answered yet."},
    {Metric::kMailboxLimit, "walden_mailbox_limit_bytes", Kind::kGauge, "",
     "limits.mailbox_bytes: past it appends are refused, and streams of them wait."},
    {Metric::kReaderBytes, "walden_reader_bytes", Kind::kGauge, "",
     "Memory of records that were read and are not sent yet."},
    {Metric::kReaderLimit, "walden_reader_limit_bytes", Kind::kGauge, "",
     "limits.reader_bytes: past it readers wait, and are refused with READER_BUDGET_FULL in the "
     "end."},
    {Metric::kEntryBytes, "walden_entry_memory_bytes", Kind::kGauge, "",
     "Memory of the entry logs' pages."},
    {Metric::kEntryLimit, "walden_entry_memory_limit_bytes", Kind::kGauge, "",
     "What pages may take of entries.total_memory: past it puts are refused with "
     "ENTRY_MEMORY_FULL."},

    {Metric::kRegions, "walden_regions", Kind::kGauge, "namespace, state",
     "Regions by state: open, failed (a write or sync failed: takes no appends until it is closed "
     "and opened again), broken (cannot be opened), opening, closing. Closed ones are not "
     "counted."},
    {Metric::kRegionFault, "walden_region_fault", Kind::kGauge, "namespace, region, state",
     "1 for each region that is failed or broken; absent for a sound one."},
    {Metric::kRegionAllocated, "walden_region_allocated_bytes", Kind::kGauge, "namespace, region",
     "Disk that the region's log takes. Engine rocksdb: about, and without what RocksDB has not "
     "taken back yet."},
    {Metric::kRegionLive, "walden_region_live_bytes", Kind::kGauge, "namespace, region",
     "Of that, bytes of records that are not marked deleted."},
    {Metric::kRegionRecords, "walden_region_live_records", Kind::kGauge, "namespace, region",
     "Records that are not marked deleted. About: of a segment that a mark cuts through, by its "
     "share of bytes; engine rocksdb, by numbers."},
    {Metric::kRegionSegments, "walden_region_segments", Kind::kGauge, "namespace, region",
     "Segment files."},
    {Metric::kRegionTables, "walden_region_tables", Kind::kGauge, "namespace, region",
     "Tables that were ever written."},
    {Metric::kRegionIndex, "walden_region_index_bytes", Kind::kGauge, "namespace, region",
     "Memory of what says where the records of each table lie, which limits.index_bytes bounds "
     "over "
     "all regions. Engine segment."},
    {Metric::kRegionOldestSequence, "walden_region_oldest_record_sequence", Kind::kGauge,
     "namespace, region",
     "Number of the oldest live record, which with engine segment keeps its segment and those "
     "behind it on the disk; absent when nothing is live. DescribeRegion tells its table. Not of "
     "region \"other\"."},
    {Metric::kRegionOldestAge, "walden_region_oldest_record_age_seconds", Kind::kGauge,
     "namespace, region",
     "The oldest live record is at least this old. Engine segment: the time since its segment was "
     "last written. So it stays near 0 while that segment is still being written. Engine rocksdb: "
     "the time since it was appended, less a second at most. Of region \"other\", the highest."},
    {Metric::kRegionDamagedRanges, "walden_region_damaged_ranges", Kind::kGauge,
     "namespace, region",
     "Quarantined ranges of the open region, inside which reads are answered DATA_LOSS."},
    {Metric::kRegionFailures, "walden_region_failures_total", Kind::kCounter, "",
     "Regions that stopped taking appends because a write or sync failed."},
    {Metric::kOpeningFailures, "walden_region_opening_failures_total", Kind::kCounter, "reason",
     "Regions that could not be opened, by the reason (ErrorInfo.reason). CORRUPTION is there from "
     "the start."},
    {Metric::kTornTails, "walden_torn_tails_total", Kind::kCounter, "",
     "Openings that found a last write cut off by a crash, and removed it. Nothing of it was "
     "acknowledged as durable."},
    {Metric::kTornTailBytes, "walden_torn_tail_bytes_total", Kind::kCounter, "",
     "Bytes that were cut off so, and kept as evidence."},
    {Metric::kDamagedRanges, "walden_damaged_ranges_found_total", Kind::kCounter, "",
     "Damaged ranges of stored bytes that openings found, those known before too. Of a region that "
     "is refused, one."},

    {Metric::kDiskSize, "walden_disk_size_bytes", Kind::kGauge, "",
     "Size of the file system that holds data_dir."},
    {Metric::kDiskFree, "walden_disk_free_bytes", Kind::kGauge, "",
     "What an ordinary user can still take of it."},
    {Metric::kDiskReserve, "walden_disk_reserve_bytes", Kind::kGauge, "",
     "What must stay free: below it appends are refused with DISK_RESERVE. 0: nothing must."},
    {Metric::kDiskLow, "walden_disk_low", Kind::kGauge, "",
     "1 while appends are refused because less than the reserve is free."},
    {Metric::kDiskQuota, "walden_disk_quota_bytes", Kind::kGauge, "namespace",
     "What the namespace's logs may take of the disk: past it appends are refused with "
     "QUOTA_EXCEEDED. 0: no limit."},
    {Metric::kDiskQuotaUsed, "walden_disk_quota_used_bytes", Kind::kGauge, "namespace",
     "What they take of it."},
    {Metric::kReclaimedBytes, "walden_reclaimed_bytes_total", Kind::kCounter, "namespace",
     "Disk that went back because all of its records were marked deleted. Engine segment: whole "
     "segment files. Engine rocksdb: about what deleted records took, once RocksDB compacted them "
     "away."},
    {Metric::kSpareSegments, "walden_spare_segments", Kind::kGauge, "namespace",
     "Segment files prepared and not yet used. Engine segment."},
    {Metric::kSegmentsStarted, "walden_segments_started_total", Kind::kCounter, "namespace, source",
     "Segments that logs began: source spare was prepared before, source fresh had to be allocated "
     "while appends waited. Engine segment."},

    {Metric::kRetentionRounds, "walden_retention_rounds_total", Kind::kCounter, "",
     "Times that retention deleted something of a region."},
    {Metric::kRetentionRecords, "walden_retention_records_total", Kind::kCounter, "",
     "About how many records retention deleted."},
    {Metric::kRetentionBytes, "walden_retention_bytes_total", Kind::kCounter, "",
     "About how many bytes they took."},
    {Metric::kRetentionFailures, "walden_retention_failures_total", Kind::kCounter, "",
     "Times that it could not delete what it should have."},

    {Metric::kCertificateExpiry, "walden_tls_certificate_expiry_timestamp_seconds", Kind::kGauge,
     "", "When the daemon's own certificate expires, in Unix time; absent without TLS."},
    {Metric::kIdentities, "walden_identities", Kind::kGauge, "",
     "Identities of the identities file in use; 0 without one."},
    {Metric::kSecurityLoads, "walden_security_loads_total", Kind::kCounter, "what, result",
     "Times that certificates or identities were read, the first one included. A refused one "
     "changed nothing: the files have an error, which the log tells."},

    {Metric::kRocksdbMemtable, "walden_rocksdb_memtable_bytes", Kind::kGauge, "namespace",
     "Memory tables, those being flushed too."},
    {Metric::kRocksdbTableFiles, "walden_rocksdb_table_file_bytes", Kind::kGauge, "namespace",
     "Table files, those that only readers still need too."},
    {Metric::kRocksdbLiveTableFiles, "walden_rocksdb_live_table_file_bytes", Kind::kGauge,
     "namespace", "Table files of the newest state."},
    {Metric::kRocksdbWal, "walden_rocksdb_wal_bytes", Kind::kGauge, "namespace",
     "RocksDB's own log, which an opening after a crash reads again."},
    {Metric::kRocksdbPendingCompaction, "walden_rocksdb_pending_compaction_bytes", Kind::kGauge,
     "namespace", "What compaction still has to rewrite, as RocksDB estimates it."},
    {Metric::kRocksdbRunningCompactions, "walden_rocksdb_running_compactions", Kind::kGauge,
     "namespace", "Compactions under way."},
    {Metric::kRocksdbRunningFlushes, "walden_rocksdb_running_flushes", Kind::kGauge, "namespace",
     "Flushes of memory tables under way."},
    {Metric::kRocksdbBackgroundErrors, "walden_rocksdb_background_errors", Kind::kGauge,
     "namespace", "Errors of flushes and compactions since RocksDB was opened."},
    {Metric::kRocksdbBlockCache, "walden_rocksdb_block_cache_bytes", Kind::kGauge, "namespace",
     "Blocks of table files in memory."},
    {Metric::kRocksdbBlockCacheLimit, "walden_rocksdb_block_cache_limit_bytes", Kind::kGauge,
     "namespace", "rocksdb_block_cache_size."},
    {Metric::kRocksdbWaitingReclaim, "walden_rocksdb_reclaim_waiting_bytes", Kind::kGauge,
     "namespace", "About what was marked deleted and RocksDB has not been told to take back yet."},
}};

constexpr bool IsInOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (kTable[i].metric != static_cast<Metric>(i) || kTable[i].name.empty()) return false;
  }
  return true;
}
static_assert(IsInOrder(), "the table lists the metrics in the order of the enumeration");

absl::Span<const MetricInfo> FromTo(Metric first, Metric last) {
  const size_t begin = static_cast<size_t>(first);
  return absl::MakeConstSpan(kTable).subspan(begin, static_cast<size_t>(last) - begin + 1);
}

}  // namespace

const MetricInfo& InfoOf(Metric metric) { return kTable[static_cast<size_t>(metric)]; }

std::vector<MetricGroup> MetricGroups() {
  return {{"The daemon", FromTo(Metric::kBuildInfo, Metric::kProcessStartTime)},
          {"Calls", FromTo(Metric::kRpcRequests, Metric::kTenantRefusals)},
          {"Appends", FromTo(Metric::kAppendBatches, Metric::kSyncDuration)},
          {"Reads", FromTo(Metric::kReadRecords, Metric::kFollowerLag)},
          {"Memory", FromTo(Metric::kMailboxJobs, Metric::kEntryLimit)},
          {"Regions", FromTo(Metric::kRegions, Metric::kDamagedRanges)},
          {"Disk", FromTo(Metric::kDiskSize, Metric::kRetentionFailures)},
          {"Security", FromTo(Metric::kCertificateExpiry, Metric::kSecurityLoads)},
          {"RocksDB", FromTo(Metric::kRocksdbMemtable, Metric::kRocksdbWaitingReclaim)}};
}

}  // namespace walden
