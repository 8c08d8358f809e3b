#include "config/fields.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "config/field_makers.h"
#include "config/field_types.h"

namespace walden {
namespace {

void AddSecurityFields(std::vector<Field<Config>>& fields) {
  fields.push_back(One<Config>(
      "security.identities_file", Accessor(&Config::security, &SecurityConfig::identities_file),
      OptionalPathType{},
      "Who may do what: callers by token or certificate, and their rights "
      "(docs/operators/security.md). "
      "Read again when it changes. Empty: everybody who can connect may do everything."));
  fields.push_back(One<Config>(
      "security.allow_insecure_network",
      Accessor(&Config::security, &SecurityConfig::allow_insecure_network),
      ChoiceType<bool>{{{"false", false}, {"true", true}}},
      "Serve on addresses that others can reach without TLS and identities. Only for a network "
      "in which everybody may read and delete every log."));
  fields.push_back(One<Config>(
      "security.reflection", Accessor(&Config::security, &SecurityConfig::reflection),
      ChoiceType<Reflection>{
          {{"auto", Reflection::kAuto}, {"on", Reflection::kOn}, {"off", Reflection::kOff}}},
      "Whether gRPC clients may ask for the API's description, which "
      "needs no rights. auto: unless there is an identities_file."));
  const auto add_file = [&fields](absl::string_view key, auto member, absl::string_view doc) {
    fields.push_back(One<Config>(absl::StrCat("security.tls.", key),
                                 Accessor(&Config::security, &SecurityConfig::tls, member),
                                 OptionalPathType{}, doc));
  };
  add_file("certificate_file", &TlsConfig::certificate_file,
           "The daemon's certificate and its intermediates, as PEM. With it every TCP address "
           "speaks TLS and nothing else; unix sockets stay plain. Read again when it changes.");
  add_file("key_file", &TlsConfig::key_file, "The certificate's private key, as PEM.");
  add_file("client_ca_file", &TlsConfig::client_ca_file,
           "Certificates of the authorities whose client certificates are accepted, as PEM.");
  fields.push_back(One<Config>(
      "security.tls.client_certificates",
      Accessor(&Config::security, &SecurityConfig::tls, &TlsConfig::client_certificates),
      ChoiceType<ClientCertificates>{{{"none", ClientCertificates::kNone},
                                      {"optional", ClientCertificates::kOptional},
                                      {"required", ClientCertificates::kRequired}}},
      "Whether clients show a certificate of client_ca_file. optional: one that is shown is "
      "verified. When not set, required if there is a client_ca_file."));
}

// Limits on the disk, on connections and on each identity.
void AddBounds(std::vector<Field<Config>>& fields) {
  const auto add = [&fields](absl::string_view key, auto member, auto type, absl::string_view doc) {
    fields.push_back(Reloads(One<Config>(key, Accessor(&Config::limits, member), type, doc)));
  };
  const auto count = [](uint32_t maximum) { return IntegerType<uint32_t>{0, maximum}; };
  add("limits.disk_reserve", &LimitsConfig::disk_reserve, ByteSizeType{{0}, GiB(1024)},
      "Bytes of data_dir's disk that stay free: below it appends are refused with "
      "RESOURCE_EXHAUSTED, while reads and marking deleted go on. 0: nothing is reserved.");
  add("limits.max_connections", &LimitsConfig::max_connections, count(1'000'000),
      "Connections open at once; more are closed as they come. 0: as many as the system allows.");
  fields.push_back(
      One<Config>("limits.max_streams_per_connection",
                  Accessor(&Config::limits, &LimitsConfig::max_streams_per_connection),
                  IntegerType<uint32_t>{1, 1'000'000},
                  "Calls that one connection has open at once; more wait in the client."));
  fields.push_back(One<Config>(
      "limits.min_ping_interval", Accessor(&Config::limits, &LimitsConfig::min_ping_interval),
      DurationType{absl::Milliseconds(1), absl::Minutes(10)},
      "How often a client may send HTTP/2 pings (keepalives) on a connection. A connection on "
      "which "
      "pings come more often is closed with ENHANCE_YOUR_CALM (too_many_pings)."));
  add("limits.max_calls", &LimitsConfig::max_calls, count(1'000'000),
      "Calls open at once, over all connections; more are refused with RESOURCE_EXHAUSTED, except "
      "of AdminService by callers that may administer something. 0: no limit.");
  fields.push_back(One<Config>(
      "limits.receive_bytes", Accessor(&Config::limits, &LimitsConfig::receive_bytes),
      ByteSizeType{MiB(16), GiB(64)},
      "Memory for messages that are still arriving, over all connections. Past "
      "it the daemon reads slower, and breaks off calls with RESOURCE_EXHAUSTED. At least twice "
      "max_batch_bytes."));
  add("limits.identity_in_flight_bytes", &LimitsConfig::identity_in_flight_bytes,
      ByteSizeType{{0}, GiB(64)},
      "Bytes of appends of one identity that are accepted and not yet answered. 0: half of "
      "mailbox_bytes where callers are told apart, otherwise all of it.");
  add("limits.identity_calls", &LimitsConfig::identity_calls, count(1'000'000),
      "Calls that one identity has open at once. 0: no limit but the daemon's.");
  add("limits.identity_append_bytes_per_second", &LimitsConfig::identity_append_bytes_per_second,
      ByteSizeType{{0}, GiB(64)},
      "Payload bytes that one identity appends in a second, with bursts of one second. 0: no "
      "limit.");
}

std::vector<Field<Config>> MakeRootFields() {
  std::vector<Field<Config>> fields;
  fields.push_back(Many<Config>(
      "listen", Accessor(&Config::listen), AddressType{},
      "Where clients connect: TCP addresses and unix sockets. Port 0 takes a free one."));
  fields.push_back(One<Config>(
      "data_dir", Accessor(&Config::data_dir), PathType{},
      "Where the logs are kept. A relative path starts at the daemon's working directory."));
  fields.push_back(One<Config>(
      "data_group", Accessor(&Config::data_group), OptionalGroupType{},
      "The group that may read data_dir: directories are made with mode 02750 and files with 0640. "
      "The daemon must be a member of it. Empty: 0700 and 0600. Directories that are there are "
      "tightened when the daemon starts."));
  fields.push_back(One<Config>("default_namespace", Accessor(&Config::default_namespace),
                               NameType{}, "The namespace of requests that name none."));
  const auto add_bytes = [&fields](absl::string_view key, auto member, ByteSize minimum,
                                   ByteSize maximum, absl::string_view doc) {
    fields.push_back(One<Config>(key, member, ByteSizeType{minimum, maximum}, doc));
  };
  add_bytes("limits.max_batch_bytes", Accessor(&Config::limits, &LimitsConfig::max_batch_bytes),
            KiB(1), MiB(256),
            "Payload bytes of one append. At most half of the largest segment_size, unless a "
            "namespace has engine rocksdb; when not set, lowered to that. In regions with smaller "
            "segments a batch must also fit a segment.");
  fields.push_back(One<Config>("limits.max_batch_records",
                               Accessor(&Config::limits, &LimitsConfig::max_batch_records),
                               IntegerType<uint32_t>{1, 10'000'000}, "Records of one append."));
  add_bytes(
      "limits.max_payload_bytes", Accessor(&Config::limits, &LimitsConfig::max_payload_bytes), {1},
      MiB(256),
      "Bytes of one record. At most max_batch_bytes; when not set, lowered to that. Records above "
      "4095KiB are for clients that take messages of more than 4 MiB and say so "
      "(max_message_bytes).");
  fields.push_back(One<Config>(
      "limits.max_open_regions", Accessor(&Config::limits, &LimitsConfig::max_open_regions),
      IntegerType<uint32_t>{1, 1'000'000}, "Regions open at once, over all namespaces."));
  add_bytes("limits.mailbox_bytes", Accessor(&Config::limits, &LimitsConfig::mailbox_bytes), MiB(1),
            GiB(64),
            "Memory for appends that are accepted and not yet answered, over all regions. Past it "
            "appends are refused with RESOURCE_EXHAUSTED, and streams are not read. At least "
            "max_batch_bytes.");
  add_bytes("limits.reader_bytes", Accessor(&Config::limits, &LimitsConfig::reader_bytes), MiB(1),
            GiB(64),
            "Memory for records that are read and not yet sent, over all readers. At least twice "
            "read_chunk_bytes.");
  add_bytes(
      "limits.read_chunk_bytes", Accessor(&Config::limits, &LimitsConfig::read_chunk_bytes), KiB(4),
      MiB(2),
      "Payload bytes gathered into one message to a reader. Many clients take no message above "
      "4 MiB.");
  add_bytes(
      "limits.stream_in_flight_bytes",
      Accessor(&Config::limits, &LimitsConfig::stream_in_flight_bytes), KiB(64), GiB(1),
      "Memory of messages of one AppendStream whose answers were not sent yet, as they are parsed; "
      "past it the daemon stops reading the stream until answers went out.");
  add_bytes("limits.index_bytes", Accessor(&Config::limits, &LimitsConfig::index_bytes), MiB(1),
            GiB(64),
            "engine segment: memory of the indexes that say where records lie, over all regions. "
            "Past it they become coarser, and reading one table passes over records of others.");
  fields.push_back(One<Config>("limits.reader_wait",
                               Accessor(&Config::limits, &LimitsConfig::reader_wait),
                               DurationType{absl::ZeroDuration(), absl::Minutes(10)},
                               "How long a reader waits for its share of reader_bytes before it is "
                               "refused with RESOURCE_EXHAUSTED."));
  fields.push_back(
      One<Config>("limits.reader_stall", Accessor(&Config::limits, &LimitsConfig::reader_stall),
                  DurationType{absl::Seconds(1), absl::Hours(24)},
                  "How long a client may take nothing of what it reads while others wait "
                  "for reader_bytes; then its call ends with RESOURCE_EXHAUSTED."));
  AddBounds(fields);
  add_bytes(
      "entries.total_memory", Accessor(&Config::entries, &EntriesConfig::total_memory), MiB(1),
      GiB(256),
      "Memory of the entry logs, over all tables: ordered pages of what is not finalized, and "
      "an eighth for reading what does not fit from the log. Past it puts are refused with "
      "RESOURCE_EXHAUSTED until tables are flushed and finalized.");
  add_bytes("entries.table_memory", Accessor(&Config::entries, &EntriesConfig::table_memory),
            MiB(1), GiB(256),
            "Memory of one table's ordered pages. At most total_memory; when not set, lowered to "
            "that. At least twice max_batch_bytes.");
  add_bytes(
      "entries.page_size", Accessor(&Config::entries, &EntriesConfig::page_size), KiB(256), GiB(1),
      "A page of this size is sealed and another one begun. At most half of table_memory; when "
      "not set, lowered to that.");
  fields.push_back(One<Config>("entries.max_key_bytes",
                               Accessor(&Config::entries, &EntriesConfig::max_key_bytes),
                               IntegerType<uint32_t>{1, 65535}, "Bytes of a row entry's key."));
  fields.push_back(One<Config>(
      "threads.workers", Accessor(&Config::threads, &ThreadsConfig::workers),
      IntegerType<uint32_t>{0, 256},
      "Threads that read logs; each namespace has twice as many of its own that write. 0 means one "
      "per processor, and two at least."));
  fields.push_back(One<Config>(
      "recovery.reopen_attempts", Accessor(&Config::recovery, &RecoveryConfig::reopen_attempts),
      IntegerType<uint32_t>{0, 1'000'000},
      "How often in a row a region that failed, or that an error other than damage kept from "
      "opening, is opened again by itself. Afterwards it stays as it is until it is closed. 0: "
      "never."));
  fields.push_back(One<Config>(
      "recovery.reopen_backoff", Accessor(&Config::recovery, &RecoveryConfig::reopen_backoff),
      DurationType{absl::Milliseconds(1), absl::Minutes(1)},
      "The wait before a region, or a namespace that cannot be opened, is opened again. It doubles "
      "with each attempt, up to a minute."));
  fields.push_back(Reloads(One<Config>(
      "retention.check_interval", Accessor(&Config::retention, &RetentionConfig::check_interval),
      DurationType{absl::Milliseconds(10), absl::Hours(1)},
      "How often regions with a retention are looked at.")));
  fields.push_back(Reloads(One<Config>(
      "shutdown.drain_timeout", Accessor(&Config::shutdown, &ShutdownConfig::drain_timeout),
      DurationType{absl::ZeroDuration(), absl::Minutes(10)},
      "How long a stopping daemon waits for calls in flight before it cancels them.")));
  fields.push_back(Reloads(One<Config>("log.level", Accessor(&Config::log, &LogConfig::level),
                                       ChoiceType<LogLevel>{{{"trace", LogLevel::kTrace},
                                                             {"debug", LogLevel::kDebug},
                                                             {"info", LogLevel::kInfo},
                                                             {"warning", LogLevel::kWarning},
                                                             {"error", LogLevel::kError}}},
                                       "The lowest severity of messages that are logged.")));
  fields.push_back(
      One<Config>("log.format", Accessor(&Config::log, &LogConfig::format),
                  ChoiceType<LogFormat>{{{"text", LogFormat::kText}, {"json", LogFormat::kJson}}},
                  "Lines for people, or one JSON object per line."));
  AddSecurityFields(fields);
  fields.push_back(Many<Config>(
      "metrics.listen", Accessor(&Config::metrics, &MetricsConfig::listen), TcpAddressType{},
      "Where HTTP serves /metrics for Prometheus, /healthz and /readyz. "
      "Port 0 takes a free one; an "
      "empty list turns it off."));
  fields.push_back(Many<Config>(
      "metrics.hosts", Accessor(&Config::metrics, &MetricsConfig::hosts), HostNameType{},
      "Names by which HTTP requests may address metrics.listen, beside every IP address, "
      "localhost, "
      "this machine's host name and the hosts of metrics.listen. Requests with another Host header "
      "are refused with 421, so that no web page can read the daemon through its visitor's "
      "browser."));
  fields.push_back(One<Config>(
      "metrics.max_regions", Accessor(&Config::metrics, &MetricsConfig::max_regions),
      IntegerType<uint32_t>{0, 10'000},
      "Regions that have metrics of their own: those that take most disk. The others are counted "
      "together, as region \"other\"."));
  return fields;
}

}  // namespace

const std::vector<Field<Config>>& RootFields() {
  static const auto& fields = *new std::vector<Field<Config>>(MakeRootFields());
  return fields;
}

std::string EnvironmentName(absl::string_view key) {
  return absl::StrCat("WALDEN_", absl::AsciiStrToUpper(absl::StrReplaceAll(key, {{".", "_"}})));
}

}  // namespace walden
