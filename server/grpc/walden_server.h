// The server: its regions, threads, services and listening sockets. The caller supplies the
// engines.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/thread_pool.h"
#include "base/ticker.h"
#include "engine/io/disk_space.h"
#include "server/append/append_environment.h"
#include "server/call/call_admission.h"
#include "server/call/live_calls.h"
#include "server/call/request_limits.h"
#include "server/grpc/health_service.h"
#include "server/net/connection_acceptor.h"
#include "server/observation/observed_registry.h"
#include "server/observation/server_observation.h"
#include "server/read/read_environment.h"
#include "server/region/followers.h"
#include "server/region/namespace_opener.h"
#include "server/region/namespaces.h"
#include "server/region/region_registry.h"
#include "server/region/retention_keeper.h"
#include "server/security/access_control.h"
#include "server/security/audit.h"
#include "server/security/tls.h"
#include "server/statistics/statistics.h"

namespace walden {

struct ServerOptions {
  std::vector<std::string> listen;  // host:port (port 0: any free one), [v6]:port or unix:/path
  RequestLimits limits;
  StreamLimits stream_limits;
  uint64_t read_chunk_bytes = kDefaultReadChunkBytes;
  RegistryOptions registry;
  uint64_t reader_bytes = uint64_t{64} << 20;  // of chunks on their way to readers
  entry::EntryMemoryLimits entries;
  absl::Duration reader_wait = absl::Seconds(10);         // for reader_bytes
  absl::Duration reader_stall = absl::Seconds(30);        // without taking a message, then
  absl::Duration tick_interval = absl::Milliseconds(10);  // of BUFFERED syncs and budget timeouts
  int workers = 0;                                        // 0: one per processor, at least two
  LeadPolicy may_lead;
  std::string version = "0";
  std::string commit;  // empty: not known
  // These outlive the server, or are null.
  const AccessControl* access = nullptr;  // null: callers are not told apart
  TlsCertificates* tls = nullptr;         // null: TCP addresses do not speak TLS, like unix sockets
  AuditSink* audit = nullptr;
  bool reflection = true;
  DiskSpace* disk = nullptr;  // of the data directory; outlives the server; null: not looked at
  std::function<void(const StartSummary&)> on_regions_scanned;  // once; may be null
  uint64_t max_connections = 0;                                 // as ConnectionAcceptor takes it
  ConnectionAcceptor::OnRefused on_refused_connections;
  absl::Duration stop_grace = absl::Seconds(20);  // see Stop
  uint32_t max_streams_per_connection = 4096;
  absl::Duration min_ping_interval = absl::Seconds(1);  // of clients
  uint64_t max_calls = 0;                               // 0: as many as come
  uint64_t receive_bytes = uint64_t{256} << 20;         // of messages that are not whole yet
  Tenants::Policy tenants;
  std::map<NamespaceId, RetentionPolicies::Policy> retention;
  absl::Duration retention_interval = absl::Seconds(30);
};

class WaldenServer {
 public:
  // Make, Serve and, once every namespace is open or has failed, SetServing in one.
  static absl::StatusOr<std::unique_ptr<WaldenServer>> Start(const ServerOptions& options,
                                                             NamespaceSet namespaces,
                                                             RegionEvents* events);

  // Makes a server that can be observed and does nothing yet. `events` outlives it and may be null.
  static std::unique_ptr<WaldenServer> Make(const ServerOptions& options, NamespaceSet namespaces,
                                            RegionEvents* events);

  // Listens, then opens namespaces and their regions in the background. Called once. An error means
  // that an address cannot be listened on. `ready` is called once, on any thread, when every
  // namespace is open or has failed.
  absl::Status Serve(std::function<void()> ready);

  // Health is SERVING from now on, until Stop. Any thread.
  void SetServing() { health_service_.SetServing(); }

  ~WaldenServer();  // stops at once if Stop was not called

  // Refuses new calls, answers the open ones, ends streams that do not end by themselves with
  // SHUTTING_DOWN, and cancels calls that are open after `drain_timeout`. Then syncs and closes
  // every region, whether calls have ended or not. Returns the first error of closing a region, or
  // DEADLINE_EXCEEDED if calls or regions have not ended `stop_grace` later; the destructor then
  // waits for them. At most once.
  absl::Status Stop(absl::Duration drain_timeout);

  // Ends calls whose callers may not go on, after identities or rights changed. Any thread, until
  // Stop.
  void AccessChanged() { live_calls_.AccessChanged(); }

  // Take over reloaded limits, which the options set first. Any thread, until Stop.
  void SetMaxConnections(uint64_t limit) { connections_.set_max_connections(limit); }
  void SetMaxCalls(uint64_t limit) { live_calls_.set_max_calls(limit); }
  void SetTenants(Tenants::Policy policy) { tenants_.SetPolicy(std::move(policy)); }
  void SetRetention(absl::Duration interval,
                    const std::map<NamespaceId, RetentionPolicies::Policy>& policies);

  // As in the options, with the ports that were found for port 0.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // For metrics and the status page, also after Stop.
  const ServerObservation& observation() const { return observation_; }

 private:
  WaldenServer(const ServerOptions& options, NamespaceSet namespaces, RegionEvents* events);

  CallAdmission Admission();
  void MakeServices();
  void OpenNamespaces(std::function<void()> ready);
  void LookAtDisk();
  absl::Status Listen();
  std::shared_ptr<grpc::ServerCredentials> CredentialsOf(const std::string& address) const;
  void EndCalls(absl::Duration drain_timeout);
  void Finish();
  // Opens an address. Its connections are handed to gRPC once Listen has started the acceptor.
  absl::Status Open(const std::string& address, grpc::ServerBuilder& builder);

  const ServerOptions options_;
  RegionEvents no_events_;
  RegionEvents* const events_;  // never null
  Statistics statistics_;
  LiveCalls live_calls_;
  std::unique_ptr<Audit> audit_;
  Followers followers_;
  Tenants tenants_;
  entry::EntryMemory entry_memory_;
  // Writers block in syncs, so readers and opening regions have threads of their own.
  std::vector<std::unique_ptr<ThreadPool>> actor_threads_;  // of each namespace
  ThreadPool reader_threads_;
  ThreadPool background_threads_;
  ThreadPool maintenance_thread_;
  ThreadPool namespace_threads_;
  ThreadPool ending_thread_;  // there from the start: at the end the system may have none to give
  const std::shared_ptr<ReaderBudget> reader_budget_;  // shared with chunks that gRPC holds
  std::unique_ptr<RegionRegistry> registry_;           // null once Stop has closed every region
  ObservedRegistry observed_registry_;
  RetentionKeeper retention_;
  NamespaceOpener opener_;
  uint64_t disk_looks_ = 0;  // the disk ticker's
  HealthService health_service_;
  std::unique_ptr<grpc::Service> wal_service_;
  std::unique_ptr<grpc::Service> entry_service_;
  std::unique_ptr<grpc::Service> admin_service_;
  std::vector<std::unique_ptr<grpc::Service>> reflection_;  // both versions; empty if it is off
  ConnectionAcceptor connections_;
  const ServerObservation observation_;
  std::unique_ptr<grpc::Server> grpc_server_;
  std::vector<std::string> addresses_;
  std::unique_ptr<Ticker> ticker_;
  std::unique_ptr<Ticker> disk_ticker_;
  bool stopped_ = false;

  // The progress of Stop.
  struct Ending {
    absl::Notification calls_gone;
    absl::Status status;  // of closing the regions; set before `closed`
    absl::Notification closed;
  };
  Ending ending_;
};

}  // namespace walden
