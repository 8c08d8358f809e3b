#include "server/grpc/walden_server.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "base/error.h"
#include "server/admin/admin_service.h"
#include "server/call/parsed_size.h"
#include "server/grpc/entry_service.h"
#include "server/grpc/reflection_service.h"
#include "server/grpc/wal_service.h"

namespace walden {
namespace {

constexpr absl::Duration kAnswersStart = absl::Milliseconds(50);
constexpr absl::Duration kGoodbye = absl::Milliseconds(100);
constexpr absl::Duration kDiskInterval = absl::Milliseconds(200);
constexpr uint64_t kLooksPerCount = 5;  // of RocksDB's files

int Workers(const ServerOptions& options) {
  if (options.workers > 0) return options.workers;
  return std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
}

// Threads for regions that calls wait for, while all others open regions for the start.
constexpr int kOpenersForCalls = 2;

RegistryOptions RegistryOptionsOf(const ServerOptions& options) {
  RegistryOptions registry = options.registry;
  registry.start_parallelism = Workers(options);
  return registry;
}

std::vector<std::unique_ptr<ThreadPool>> MakeActorThreads(const ServerOptions& options,
                                                          NamespaceSet& namespaces) {
  std::vector<std::unique_ptr<ThreadPool>> pools;
  const auto add = [&] {
    pools.push_back(std::make_unique<ThreadPool>("actor", 2 * Workers(options)));
    return pools.back().get();
  };
  for (Namespace* ns : namespaces.AllToFill()) ns->actors = add();
  if (pools.empty()) add();
  return pools;
}

// One thread for each namespace that is opened late, so that a slow one does not delay others.
int NamespaceThreads(const NamespaceSet& namespaces) {
  int late = 0;
  for (const Namespace* ns : namespaces.All()) late += ns->late != nullptr ? 1 : 0;
  return std::clamp(late, 1, 8);
}

// With an upper bound of the encoded size of an append or put, in which each record may be of
// another table, and with one of its parsed size: the largest record has a key, a value and two times.
RequestLimits WithMessageBytes(RequestLimits limits) {
  constexpr uint64_t kPerPayload = 40;
  constexpr uint64_t kOtherFields = uint64_t{64} << 10;
  limits.max_message_bytes = std::min<uint64_t>(
      limits.max_batch_bytes + kPerPayload * limits.max_batch_records + kOtherFields,
      std::numeric_limits<int>::max());
  constexpr uint64_t kParsedRecordBytes = 3 * kParsedMessageBytes + 2 * kParsedStringBytes;
  constexpr uint64_t kParsedBatchBytes = 1024;
  limits.max_parsed_bytes = limits.max_message_bytes +
                            kParsedRecordBytes * limits.max_batch_records +
                            kParsedBatchBytes * limits.max_stream_message_batches;
  return limits;
}

void ConfigureConnections(grpc::ServerBuilder& builder, const ServerOptions& options) {
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(options.max_streams_per_connection));
  // Silent connections are closed, because they count towards the limit.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 15 * 60'000);
  // Pings detect a connection whose client vanished, also when it is idle. Otherwise its followers
  // would stay open for ever.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Clients ping the daemon for the same purpose.
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      static_cast<int>(absl::ToInt64Milliseconds(options.min_ping_interval)));
}

// Bounds the memory of messages that arrive, whose senders are not authenticated yet.
void BoundWhatArrives(grpc::ServerBuilder& builder, uint64_t receive_bytes) {
  // gRPC checks the size of a complete message, but allocates memory when the message is announced.
  // Beyond this quota it reads slower and ends calls.
  grpc::ResourceQuota quota("walden");
  quota.Resize(receive_bytes);
  builder.SetResourceQuota(quota);
  // Compressed messages are refused: gRPC would inflate them, up to a thousandfold, before it
  // checks their size.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
}

// gRPC shuts its library down with its last object, which a background poll can delay by ten
// seconds. The daemon does not need that shutdown.
void KeepGrpcInitialised() {
  static const bool once = [] {
    grpc_init();
    return true;
  }();
  static_cast<void>(once);
}

// Full names of Walden's services.
std::vector<std::string> WaldenServices() {
  return {v1::WalService::service_full_name(), v1::EntryService::service_full_name(),
          v1::AdminService::service_full_name()};
}

// Full names of all services that clients may use.
std::vector<std::string> AllServices() {
  std::vector<std::string> services = WaldenServices();
  services.push_back(grpc::health::v1::Health::service_full_name());
  services.push_back(grpc::reflection::v1::ServerReflection::service_full_name());
  // Nothing else uses a message of v1alpha, and without a use its descriptor is not linked.
  services.push_back(grpc::reflection::v1alpha::ServerReflectionRequest::descriptor()
                         ->file()
                         ->service(0)
                         ->full_name());
  return services;
}

absl::Status StartError() {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                   "cannot serve: gRPC does not start");
}

}  // namespace

absl::StatusOr<std::unique_ptr<WaldenServer>> WaldenServer::Start(const ServerOptions& options,
                                                                  NamespaceSet namespaces,
                                                                  RegionEvents* events) {
  std::unique_ptr<WaldenServer> server = Make(options, std::move(namespaces), events);
  const absl::Status status = server->Serve([&made = *server] { made.SetServing(); });
  if (!status.ok()) return status;
  return server;
}

std::unique_ptr<WaldenServer> WaldenServer::Make(const ServerOptions& options,
                                                 NamespaceSet namespaces, RegionEvents* events) {
  return std::unique_ptr<WaldenServer>(new WaldenServer(options, std::move(namespaces), events));
}

absl::Status WaldenServer::Serve(std::function<void()> ready) {
  if (absl::Status status = Listen(); !status.ok()) return status;
  OpenNamespaces(std::move(ready));
  return absl::OkStatus();
}

WaldenServer::WaldenServer(const ServerOptions& options, NamespaceSet namespaces,
                           RegionEvents* events)
    : options_(options),
      events_(events == nullptr ? &no_events_ : events),
      tenants_(Clock::Real()),
      entry_memory_(options.entries),
      actor_threads_(MakeActorThreads(options, namespaces)),
      reader_threads_("reader", Workers(options)),
      background_threads_("opener", Workers(options) + kOpenersForCalls),
      maintenance_thread_("verify", 1),
      namespace_threads_("namespace", NamespaceThreads(namespaces)),
      ending_thread_("ending", 1),
      reader_budget_(std::make_shared<ReaderBudget>(options.reader_bytes, options.reader_wait,
                                                    Clock::Real(), options.reader_stall)),
      registry_(std::make_unique<RegionRegistry>(
          RegistryOptionsOf(options), std::move(namespaces),
          RegistryEnvironment{.clock = Clock::Real(),
                              .actors = actor_threads_.front().get(),
                              .background = &background_threads_,
                              .statistics = &statistics_,
                              .events = events_,
                              .entries = {&entry_memory_, &reader_threads_}})),
      observed_registry_(registry_.get()),
      retention_({.registry = registry_.get(),
                  .clock = Clock::Real(),
                  .wall_clock = WallClock::Real(),
                  .background = &background_threads_,
                  .statistics = &statistics_,
                  .events = events_},
                 options.retention_interval),
      opener_({.registry = registry_.get(),
               .clock = Clock::Real(),
               .executor = &namespace_threads_,
               .policy = options.registry.reopen}),
      health_service_(live_calls_, WaldenServices()),
      connections_(options.max_connections, options.on_refused_connections),
      observation_{.version = options.version,
                   .started = Clock::Real()->Now(),
                   .clock = *Clock::Real(),
                   .wall_clock = *WallClock::Real(),
                   .statistics = statistics_,
                   .registry = observed_registry_,
                   .reader_budget = *reader_budget_,
                   .entry_memory = entry_memory_,
                   .followers = followers_,
                   .tenants = tenants_,
                   .connections = connections_} {
  SetMaxCalls(options.max_calls);
  SetTenants(options.tenants);
  SetRetention(options.retention_interval, options.retention);
  if (options.audit != nullptr) audit_ = std::make_unique<Audit>(options.audit, Clock::Real());
  MakeServices();
  ticker_ = std::make_unique<Ticker>(options.tick_interval, [this] {
    registry_->Tick();
    registry_->NoteIdle();
    opener_.Tick();
    reader_budget_->RefuseOverdue();
    if (audit_ != nullptr) audit_->Tick();
    tenants_.WakeWaiting();
    retention_.LookIfDue();
  });
  disk_ticker_ = std::make_unique<Ticker>(kDiskInterval, [this] { LookAtDisk(); });
}

CallAdmission WaldenServer::Admission() {
  return {.namespaces = registry_->namespaces(),
          .live_calls = live_calls_,
          .tenants = tenants_,
          .statistics = statistics_,
          .clock = *Clock::Real(),
          .access = options_.access,
          .audit = audit_.get()};
}

void WaldenServer::MakeServices() {
  const RequestLimits limits = WithMessageBytes(options_.limits);
  const AppendEnvironment append{.admission = Admission(),
                                 .registry = *registry_,
                                 .limits = limits,
                                 .stream_limits = options_.stream_limits,
                                 .may_lead = options_.may_lead,
                                 .readers = reader_threads_};
  const ReadEnvironment read{.admission = Admission(),
                             .registry = *registry_,
                             .budget = reader_budget_,
                             .followers = followers_,
                             .readers = reader_threads_,
                             .chunk_bytes = options_.read_chunk_bytes};
  wal_service_ = std::make_unique<WalService>(append, read);
  entry_service_ = std::make_unique<EntryService>(
      append,
      EntryReadEnvironment{.read = read, .wall_clock = *WallClock::Real(), .limits = limits});
  admin_service_ = std::make_unique<AdminService>(AdminEnvironment{
      .admission = Admission(),
      .registry = *registry_,
      .retention = retention_.policies(),
      .readers = reader_threads_,
      .background = background_threads_,
      .maintenance = maintenance_thread_,
      .figures = {.version = options_.version,
                  .commit = options_.commit,
                  .started_at = absl::Now() - (Clock::Real()->Now() - observation_.started),
                  .started = observation_.started,
                  .reader_budget = *reader_budget_,
                  .entry_memory = entry_memory_,
                  .limits = limits}});
  if (!options_.reflection) return;
  reflection_.push_back(std::make_unique<ReflectionV1>(live_calls_, AllServices()));
  reflection_.push_back(std::make_unique<ReflectionV1Alpha>(live_calls_, AllServices()));
}

void WaldenServer::SetRetention(absl::Duration interval,
                                const std::map<NamespaceId, RetentionPolicies::Policy>& policies) {
  retention_.set_interval(interval);
  for (const auto& [id, policy] : policies) retention_.policies().Set(id, policy);
}

// After an error the numbers of the last sample stay. The next write reports the error.
void WaldenServer::LookAtDisk() {
  if (options_.disk != nullptr) (void)options_.disk->Sample();
  for (const Namespace* ns : registry_->namespaces().All()) {
    if (ns->disk != nullptr) (void)ns->disk->Sample();
  }
  if (disk_looks_++ % kLooksPerCount != 0) return;
  for (const Namespace* ns : registry_->namespaces().All()) {
    (void)ns->engine->CountDiskUsage();
    ns->engine->KeepHouse();
  }
}

WaldenServer::~WaldenServer() {
  if (!stopped_) Stop(absl::ZeroDuration()).IgnoreError();
  // Waits for calls and regions that did not end in time.
  ending_.calls_gone.WaitForNotification();
  ending_.closed.WaitForNotification();
  if (registry_ != nullptr) Finish();
}

void WaldenServer::OpenNamespaces(std::function<void()> ready) {
  registry_->OpenAll([this](const StartSummary& summary) {
    if (options_.on_regions_scanned) options_.on_regions_scanned(summary);
  });
  opener_.Start(std::move(ready));
}

// A unix socket has no TLS: the permissions of its file decide which users may connect.
std::shared_ptr<grpc::ServerCredentials> WaldenServer::CredentialsOf(
    const std::string& address) const {
  if (options_.tls == nullptr || absl::StartsWith(address, "unix:")) {
    return grpc::InsecureServerCredentials();
  }
  return options_.tls->ServerCredentials();
}

absl::Status WaldenServer::Listen() {
  KeepGrpcInitialised();
  grpc::ServerBuilder builder;
  ConfigureConnections(builder, options_);
  BoundWhatArrives(builder, options_.receive_bytes);
  builder.SetMaxReceiveMessageSize(
      static_cast<int>(WithMessageBytes(options_.limits).max_message_bytes));
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(&health_service_);
  builder.RegisterService(wal_service_.get());
  builder.RegisterService(entry_service_.get());
  builder.RegisterService(admin_service_.get());
  for (const auto& service : reflection_) builder.RegisterService(service.get());
  for (const std::string& address : options_.listen) {
    if (absl::Status status = Open(address, builder); !status.ok()) return status;
  }
  grpc_server_ = builder.BuildAndStart();
  if (grpc_server_ == nullptr) return StartError();
  return connections_.Start();
}

absl::Status WaldenServer::Open(const std::string& address, grpc::ServerBuilder& builder) {
  auto sockets = ListeningSocket::Open(address);
  if (!sockets.ok()) return sockets.status();
  addresses_.push_back(sockets->front()->address());
  const std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor =
      builder.experimental().AddExternalConnectionAcceptor(
          grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
          CredentialsOf(address));
  for (auto& socket : *sockets) {
    const int listener = socket->descriptor();
    connections_.Add(std::move(socket), [acceptor, listener](int descriptor) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
      connection.listener_fd = listener;
      connection.fd = descriptor;
      acceptor->HandleNewConnection(&connection);
    });
  }
  return absl::OkStatus();
}

absl::Status WaldenServer::Stop(absl::Duration drain_timeout) {
  stopped_ = true;
  opener_.Stop();
  health_service_.Stop();
  if (grpc_server_ == nullptr) {
    ending_.calls_gone.Notify();
  } else {
    EndCalls(drain_timeout);
  }
  ticker_ = nullptr;
  disk_ticker_ = nullptr;
  // Closes regions even if calls hang, because that syncs all answered records.
  registry_->CloseAll([this](const absl::Status& status) {
    ending_.status = status;
    ending_.closed.Notify();
  });
  if (!ending_.closed.WaitForNotificationWithTimeout(options_.stop_grace)) {
    return absl::DeadlineExceededError("a region could not be closed in time");
  }
  if (!ending_.calls_gone.HasBeenNotified()) {
    return absl::DeadlineExceededError("every region was closed, but calls did not end in time");
  }
  Finish();
  return ending_.status;
}

void WaldenServer::EndCalls(absl::Duration drain_timeout) {
  absl::Time deadline = absl::Now() + drain_timeout;
  live_calls_.Shutdown();
  // gRPC closes a connection as soon as its last call has ended. A client that is sending then sees
  // a broken connection before it has read the last answers, so answers get some time first.
  // Afterwards gRPC would wait until idle clients acknowledge the end, so they get a short time,
  // too.
  if (live_calls_.AwaitNone(drain_timeout)) {
    absl::SleepFor(std::min(kAnswersStart, deadline - absl::Now()));
    deadline = std::min(deadline, absl::Now() + kGoodbye);
  }
  // gRPC waits until every call has ended, which may be for ever if a call hangs or threads are
  // short.
  ending_thread_.Post([this, deadline] {
    connections_.Stop();
    grpc_server_->Shutdown(absl::ToChronoTime(deadline));
    grpc_server_ = nullptr;
    ending_.calls_gone.Notify();
  });
  ending_.calls_gone.WaitForNotificationWithDeadline(deadline + options_.stop_grace);
}

void WaldenServer::Finish() {
  // The last tasks of the pools may still use the registry.
  for (ThreadPool* pool : {&namespace_threads_, &maintenance_thread_, &reader_threads_}) {
    pool->Stop();
  }
  for (const auto& pool : actor_threads_) pool->Stop();
  background_threads_.Stop();
  observed_registry_.Release();
  registry_ = nullptr;
}

}  // namespace walden
