// The daemon's configuration as types. Config{} is the embedded default.
//
// loader.h loads and checks a configuration. fields.cc has the purpose, range and unit of each
// field, from which config/waldend.yaml is generated. All types are plain values: copy them, or
// share them read-only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/byte_size.h"
#include "engine/types.h"

namespace walden {

enum class EngineKind { kSegment, kRocksdb };

enum class LogLevel { kTrace, kDebug, kInfo, kWarning, kError };

enum class LogFormat { kText, kJson };

// Settings that a namespace makes for its regions. A region may override each of them.
struct RegionSettings {
  Durability durability = Durability::kSync;  // of appends that do not ask for one
  ByteSize segment_size = MiB(64);
  uint32_t buffered_sync_every_writes = 10;
  absl::Duration buffered_sync_interval = absl::Milliseconds(10);
  RecoveryPolicy recovery_policy = RecoveryPolicy::kRefuse;
  ByteSize disk_quota = {0};  // of the region; 0: none
  // Retention limits. All 0: records stay until a client marks them deleted.
  absl::Duration retention_age;
  ByteSize retention_bytes = {0};
  uint64_t retention_records = 0;

  bool operator==(const RegionSettings&) const = default;
};

struct RegionConfig {
  RegionId id = 0;
  // Complete: fields that the region does not set have its namespace's values.
  RegionSettings settings;

  bool operator==(const RegionConfig&) const = default;
};

// Settings of a namespace whose engine is rocksdb.
struct RocksdbConfig {
  ByteSize write_buffer_size = MiB(64);
  ByteSize max_wal_size = MiB(256);
  ByteSize block_cache_size = MiB(8);
  ByteSize reclaim_size = MiB(64);
  ByteSize reserve_size = MiB(16);

  bool operator==(const RocksdbConfig&) const = default;
};

struct NamespaceConfig {
  NamespaceId id = 0;
  std::string name;  // also its directory below data_dir
  EngineKind engine = EngineKind::kSegment;
  RegionSettings settings;
  ByteSize disk_quota = {0};    // of all regions together; 0: none
  uint32_t spare_segments = 1;  // kept prepared, of segment_size, for any region
  RocksdbConfig rocksdb;
  std::vector<RegionConfig> regions;

  // The settings of a region, whether it is listed or not.
  const RegionSettings& SettingsOf(RegionId region) const;

  bool operator==(const NamespaceConfig&) const = default;
};

struct LimitsConfig {
  ByteSize max_batch_bytes = MiB(16);  // payload bytes of one append
  uint32_t max_batch_records = 65536;
  ByteSize max_payload_bytes = KiB(4095);  // with its framing it fits the 4 MiB that clients take
  uint32_t max_open_regions = 4096;
  ByteSize mailbox_bytes = MiB(64);          // appends accepted and not yet answered, all regions
  ByteSize reader_bytes = MiB(64);           // chunks read and not yet sent, all readers
  ByteSize read_chunk_bytes = KiB(256);      // of payload in one message to a reader
  ByteSize stream_in_flight_bytes = MiB(8);  // of one AppendStream; past it the stream is not read
  ByteSize index_bytes = MiB(256);           // of what says where records lie, all regions
  absl::Duration reader_wait = absl::Seconds(10);   // for reader_bytes, before it is refused
  absl::Duration reader_stall = absl::Seconds(30);  // without taking a message, while others wait
  ByteSize disk_reserve = MiB(256);                 // stays free; 0: none
  uint32_t max_connections = 1024;                  // 0: no limit
  uint32_t max_streams_per_connection = 4096;       // calls open at once
  absl::Duration min_ping_interval = absl::Seconds(1);  // of clients' HTTP/2 pings
  uint32_t max_calls = 16384;                           // open at once; 0: no limit
  ByteSize receive_bytes = MiB(256);                    // of messages that are not whole yet
  // Limits of each identity.
  ByteSize identity_in_flight_bytes = {0};  // 0: half of mailbox_bytes where callers are told apart
  uint32_t identity_calls = 0;              // 0: no limit but the daemon's
  ByteSize identity_append_bytes_per_second = {0};  // 0: no limit

  bool operator==(const LimitsConfig&) const = default;
};

struct EntriesConfig {
  ByteSize total_memory =
      MiB(512);  // of ordered pages and of reading the log in passes, all tables
  ByteSize table_memory = MiB(256);  // of one table's pages
  ByteSize page_size = MiB(16);      // a page that reached it is sealed
  uint32_t max_key_bytes = 4096;

  bool operator==(const EntriesConfig&) const = default;
};

// How the daemon reopens regions and namespaces that failed.
struct RecoveryConfig {
  uint32_t reopen_attempts = 10;  // of a region, in a row; 0: never
  absl::Duration reopen_backoff = absl::Seconds(1);

  bool operator==(const RecoveryConfig&) const = default;
};

struct ThreadsConfig {
  uint32_t workers = 0;  // 0: one per processor, at least two

  bool operator==(const ThreadsConfig&) const = default;
};

struct ShutdownConfig {
  absl::Duration drain_timeout = absl::Seconds(10);

  bool operator==(const ShutdownConfig&) const = default;
};

struct RetentionConfig {
  absl::Duration check_interval = absl::Seconds(30);

  bool operator==(const RetentionConfig&) const = default;
};

struct LogConfig {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;

  bool operator==(const LogConfig&) const = default;
};

// Certificates of clients on TLS: not asked for; verified if a client has one; required.
enum class ClientCertificates { kNone, kOptional, kRequired };

enum class Reflection { kAuto, kOn, kOff };  // auto: on unless callers are told apart

// Paths of PEM files, empty: none.
struct TlsConfig {
  std::string certificate_file;  // the daemon's own, then its intermediates
  std::string key_file;
  std::string client_ca_file;
  ClientCertificates client_certificates = ClientCertificates::kNone;

  bool enabled() const { return !certificate_file.empty(); }

  bool operator==(const TlsConfig&) const = default;
};

struct SecurityConfig {
  TlsConfig tls;
  std::string identities_file;  // see identities_file.h; empty: everybody may do everything
  bool allow_insecure_network = false;
  Reflection reflection = Reflection::kAuto;

  bool operator==(const SecurityConfig&) const = default;
};

struct MetricsConfig {
  std::vector<std::string> listen = {"127.0.0.1:7071"};  // host:port or [v6]:port; none: off
  std::vector<std::string> hosts;                        // by which it may be asked, too
  uint32_t max_regions = 200;                            // with metrics of their own

  bool operator==(const MetricsConfig&) const = default;
};

struct Config {
  std::vector<std::string> listen = {"127.0.0.1:7070"};  // host:port, [v6]:port or unix:/path
  std::string data_dir = "./data";
  std::string data_group;  // that may read data_dir; empty: none
  std::string default_namespace = "default";
  LimitsConfig limits;
  EntriesConfig entries;
  ThreadsConfig threads;
  RecoveryConfig recovery;
  RetentionConfig retention;
  ShutdownConfig shutdown;
  LogConfig log;
  SecurityConfig security;
  MetricsConfig metrics;
  std::vector<NamespaceConfig> namespaces = {{.id = 1, .name = "default"}};

  // The namespace that default_namespace names; nullptr only in a configuration that was not
  // loaded.
  const NamespaceConfig* DefaultNamespace() const;

  bool operator==(const Config&) const = default;
};

}  // namespace walden
