#include "server/admin/admin_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/admin/verify_call.h"
#include "server/call/call.h"
#include "server/call/error_to_proto.h"
#include "server/call/page_token.h"
#include "server/call/region_to_proto.h"
#include "server/call/request_checks.h"
#include "server/call/time_to_proto.h"

namespace walden {
namespace {

using FoundActor = absl::StatusOr<std::shared_ptr<RegionActor>>;

// Deletes itself when gRPC is done with it.
class AdminCall final : public grpc::ServerUnaryReactor {
 public:
  AdminCall(const CallAdmission& admission, Method method, const grpc::CallbackServerContext& call)
      : call_(admission, method, call) {}

  const Call& call() const { return call_; }
  void Answer(const absl::Status& status) { Finish(call_.End(status)); }

  // nullopt if the call is refused, which answers it.
  template <typename Request>
  std::optional<EnteredRegion> Enter(const Request& request) {
    const absl::StatusOr<EnteredRegion> entered =
        call_.EnterRegion(request.namespace_id(), request.region_id());
    if (entered.ok()) return *entered;
    Answer(entered.status());
    return std::nullopt;
  }

 private:
  void OnDone() override { delete this; }

  const Call call_;
};

class SyncCall final : public SyncJob {
 public:
  explicit SyncCall(AdminCall* call) : call_(call) {}

  void OnAnswered() override {
    call_->Answer(result);
    delete this;
  }

 private:
  AdminCall* const call_;
};

constexpr size_t kMaxDamagedItems = 2'000;

// Error texts make regions larger than the page's number of items suggests.
constexpr size_t kMaxRegionsBytes = size_t{1} << 20;

// Adds one page of the regions after `behind` on which the caller has rights.
void FillRegions(const std::vector<RegionListing>& listings, const Call& call, NamespaceId ns,
                 std::optional<RegionId> behind, size_t items, v1::ListRegionsResponse* response) {
  size_t bytes = 0;
  for (const RegionListing& listing : listings) {
    if (behind && listing.region <= *behind) continue;
    if (!call.KnowsRegion({ns, listing.region})) continue;
    if (static_cast<size_t>(response->regions_size()) == items || bytes > kMaxRegionsBytes) {
      const RegionId last = response->regions(response->regions_size() - 1).region_id();
      response->set_next_page_token(RegionsToken(ns, last));
      return;
    }
    v1::RegionInfo* const info = response->add_regions();
    FillRegionInfo(listing, info);
    if (listing.actor != nullptr) {
      FillRegionUsage(listing.actor->log().Usage(), info->mutable_usage());
    }
    bytes += info->ByteSizeLong();
  }
}

void FillNamespace(const Namespace& ns, const Call& call, v1::NamespaceInfo* info) {
  info->set_namespace_id(ns.id);
  info->set_name(ns.name);
  info->set_engine(std::string(ns.engine->name()));
  const auto regions = ns.engine->ListRegions();
  if (regions.ok()) {
    info->set_region_count(std::count_if(regions->begin(), regions->end(), [&](RegionId region) {
      return call.KnowsRegion({ns.id, region});
    }));
  } else {
    ToProtoStatus(regions.status(), info->mutable_error());
  }
}

// Adds one page of the namespaces after `behind` on which the caller has rights.
void FillNamespaces(const NamespaceSet& namespaces, const Call& call,
                    std::optional<NamespaceId> behind, size_t items,
                    v1::ListNamespacesResponse* response) {
  for (const Namespace* ns : namespaces.All()) {
    if ((behind && ns->id <= *behind) || !call.KnowsNamespace(ns->id)) continue;
    if (static_cast<size_t>(response->namespaces_size()) == items) {
      const uint32_t last = response->namespaces(response->namespaces_size() - 1).namespace_id();
      response->set_next_page_token(NamespacesToken(static_cast<NamespaceId>(last)));
      return;
    }
    v1::NamespaceInfo* const info = response->add_namespaces();
    FillNamespace(*ns, call, info);
    info->set_is_default(ns->id == namespaces.default_id());
  }
}

// A field that was forgotten must not choose what is dropped.
absl::Status CheckDropIsMeant(const v1::DropRegionRequest& request) {
  if (request.namespace_id() == 0) {
    return InvalidField("namespace_id", "0",
                        "must name the namespace: a drop cannot be undone, so there is no default");
  }
  if (request.has_confirm_region_id() && request.confirm_region_id() == request.region_id()) {
    return absl::OkStatus();
  }
  const std::string value =
      request.has_confirm_region_id() ? absl::StrCat(request.confirm_region_id()) : "";
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                   absl::StrCat("confirm_region_id (", value.empty() ? "absent" : value,
                                ") must repeat region_id (", request.region_id(),
                                "), because a drop cannot be undone"),
                   {{"field", "confirm_region_id"},
                    {"value", value},
                    {"limit", absl::StrCat(request.region_id())}});
}

absl::Status NeverWritten(const RegionKey& key) {
  return MakeError(absl::StatusCode::kNotFound, ErrorReason::kRegionNotFound,
                   absl::StrCat("region ", key.region, " was never written"),
                   {{"field", "region_id"}, {"value", absl::StrCat(key.region)}});
}

}  // namespace

AdminService::Reactor* AdminService::GetServerInfo(Context* from, const v1::GetServerInfoRequest*,
                                                   v1::GetServerInfoResponse* response) {
  auto* const call = new AdminCall(environment_.admission, Method::kGetServerInfo, *from);
  const ServerFigures& figures = environment_.figures;
  response->set_version(figures.version);
  response->set_commit(figures.commit);
  *response->mutable_start_time() = ToProtoTime(figures.started_at);
  for (const absl::string_view engine : {"segment", "rocksdb"}) {
    response->add_engines(std::string(engine));
  }
  v1::Limits* const limits = response->mutable_limits();
  limits->set_max_batch_records(figures.limits.max_batch_records);
  limits->set_max_batch_bytes(figures.limits.max_batch_bytes);
  limits->set_max_payload_bytes(figures.limits.max_payload_bytes);
  limits->set_max_key_bytes(figures.limits.max_key_bytes);
  limits->set_max_request_message_bytes(figures.limits.max_message_bytes);
  limits->set_max_stream_message_appends(figures.limits.max_stream_message_batches);
  limits->set_max_marks(figures.limits.max_marks);
  limits->set_max_batch_tables(kMaxTablesPerBatch);
  limits->set_max_parsed_message_bytes(figures.limits.max_parsed_bytes);
  call->Answer(call->call().refused());
  return call;
}

AdminService::Reactor* AdminService::ListNamespaces(Context* from,
                                                    const v1::ListNamespacesRequest* request,
                                                    v1::ListNamespacesResponse* response) {
  auto* const call = new AdminCall(environment_.admission, Method::kListNamespaces, *from);
  absl::Status status = call->call().refused();
  const absl::StatusOr<size_t> items = PageItems(request->page_size(), kMaxPageNamespaces);
  if (status.ok()) status = items.status();
  const auto behind = ParseNamespacesToken(request->page_token());
  if (status.ok()) status = behind.status();
  if (!status.ok()) {
    call->Answer(status);
    return call;
  }
  environment_.background.Post([this, call, response, items = *items, behind = *behind] {
    FillNamespaces(environment_.registry.namespaces(), call->call(), behind, items, response);
    call->Answer(absl::OkStatus());
  });
  return call;
}

AdminService::Reactor* AdminService::ListRegions(Context* from,
                                                 const v1::ListRegionsRequest* request,
                                                 v1::ListRegionsResponse* response) {
  auto* const call = new AdminCall(environment_.admission, Method::kListRegions, *from);
  const absl::StatusOr<const Namespace*> ns = call->call().EnterNamespace(request->namespace_id());
  if (!ns.ok()) {
    call->Answer(ns.status());
    return call;
  }
  const auto behind = ParseRegionsToken(request->page_token(), (*ns)->id);
  const absl::StatusOr<size_t> items = PageItems(request->page_size(), kMaxPageItems);
  if (!behind.ok() || !items.ok()) {
    call->Answer(behind.ok() ? items.status() : behind.status());
    return call;
  }
  environment_.background.Post([this, call, response, ns = *ns, behind = *behind, items = *items] {
    const auto listings = environment_.registry.List(*ns);
    if (listings.ok()) {
      FillRegions(*listings, call->call(), ns->id, behind, items, response);
    }
    call->Answer(listings.status());
  });
  return call;
}

AdminService::Reactor* AdminService::DescribeRegion(Context* from,
                                                    const v1::DescribeRegionRequest* request,
                                                    v1::DescribeRegionResponse* response) {
  auto* const call = new AdminCall(environment_.admission, Method::kDescribeRegion, *from);
  const std::optional<EnteredRegion> entered = call->Enter(*request);
  if (!entered.has_value()) return call;
  const auto begin = ParseDescribeToken(request->page_token(), entered->key);
  const absl::StatusOr<size_t> items = PageItems(request->page_size(), kMaxPageItems);
  if (!begin.ok() || !items.ok()) {
    call->Answer(begin.ok() ? items.status() : begin.status());
    return call;
  }
  environment_.registry.Find(
      entered->key, [this, entered = *entered, begin = *begin, items = *items, call,
                     response](const FoundActor& actor) {
        if (!actor.ok() || *actor == nullptr) {
          call->Answer(actor.ok() ? NeverWritten(entered.key) : actor.status());
          return;
        }
        // A description takes long, and this may be a thread of gRPC.
        environment_.readers.Post([this, entered, begin, items, call, response, actor = *actor] {
          Describe(entered, actor->log(), begin, items, response);
          call->Answer(absl::OkStatus());
        });
      });
  return call;
}

void AdminService::Describe(const EnteredRegion& entered, const RegionLog& log,
                            const DescribeCursor& from, size_t items,
                            v1::DescribeRegionResponse* response) const {
  const absl::Status health = log.Health();
  FillRegionInfo(
      {.region = entered.key.region,
       .state = health.ok() ? RegionListing::State::kOpen : RegionListing::State::kFailed,
       .error = health},
      response->mutable_info());
  FillRegionUsage(log.Usage(), response->mutable_info()->mutable_usage());
  // Damaged ranges are larger than other items: they carry texts.
  const bool damaged = log.Summary().opening.outcome == OpeningReport::Outcome::kQuarantined;
  if (damaged) items = std::min(items, kMaxDamagedItems);
  const RegionPage page = log.DescribePage(from, items);
  FillRegionState(page.description, *entered.ns->engine, response->mutable_state());
  FillSegments(page.description, response);
  FillBounds(*entered.ns, entered.key.region, environment_.retention.Of(entered.key), response);
  if (page.next) response->set_next_page_token(DescribeToken(entered.key, *page.next));
}

AdminService::Reactor* AdminService::GetTablePosition(Context* from,
                                                      const v1::GetTablePositionRequest* request,
                                                      v1::GetTablePositionResponse* response) {
  auto* const call = new AdminCall(environment_.admission, Method::kGetTablePosition, *from);
  const std::optional<EnteredRegion> entered = call->Enter(*request);
  if (!entered.has_value()) return call;
  const TableId table = request->table_id();
  environment_.registry.Find(entered->key, [ns = entered->ns, call, response,
                                            table](const FoundActor& actor) {
    if (!actor.ok()) {
      call->Answer(actor.status());
      return;
    }
    const TablePosition position = *actor != nullptr ? (*actor)->log().Position(table)
                                                     : ns->engine->PositionInAbsentRegion(table);
    FillPosition(position, response->mutable_position());
    call->Answer(absl::OkStatus());
  });
  return call;
}

AdminService::Reactor* AdminService::SyncRegion(Context* from, const v1::SyncRegionRequest* request,
                                                v1::SyncRegionResponse*) {
  auto* const call = new AdminCall(environment_.admission, Method::kSyncRegion, *from);
  const std::optional<EnteredRegion> entered = call->Enter(*request);
  if (entered.has_value()) environment_.registry.Submit(entered->key, new SyncCall(call));
  return call;
}

AdminService::Reactor* AdminService::CloseRegion(Context* from,
                                                 const v1::CloseRegionRequest* request,
                                                 v1::CloseRegionResponse* response) {
  auto* const call = new AdminCall(environment_.admission, Method::kCloseRegion, *from);
  const std::optional<EnteredRegion> entered = call->Enter(*request);
  if (!entered.has_value()) return call;
  environment_.registry.Close(entered->key, [call, response](const absl::StatusOr<bool>& was_open) {
    if (was_open.ok()) response->set_was_open(*was_open);
    call->Answer(was_open.status());
  });
  return call;
}

AdminService::Reactor* AdminService::DropRegion(Context* from, const v1::DropRegionRequest* request,
                                                v1::DropRegionResponse* response) {
  auto* const call = new AdminCall(environment_.admission, Method::kDropRegion, *from);
  const std::optional<EnteredRegion> entered = call->Enter(*request);
  if (!entered.has_value()) return call;
  if (const absl::Status meant = CheckDropIsMeant(*request); !meant.ok()) {
    call->Answer(meant);
    return call;
  }
  environment_.registry.Drop(entered->key, [call, response](const absl::StatusOr<bool>& existed) {
    if (existed.ok()) response->set_existed(*existed);
    call->Answer(existed.status());
  });
  return call;
}

grpc::ServerWriteReactor<v1::VerifyRegionResponse>* AdminService::VerifyRegion(
    Context* from, const v1::VerifyRegionRequest* request) {
  return new VerifyCall(environment_.admission, environment_.registry, environment_.maintenance,
                        *from, *request);
}

AdminService::Reactor* AdminService::GetStatistics(Context* from, const v1::GetStatisticsRequest*,
                                                   v1::GetStatisticsResponse* response) {
  auto* const call = new AdminCall(environment_.admission, Method::kGetStatistics, *from);
  if (!call->call().refused().ok()) {
    call->Answer(call->call().refused());
    return call;
  }
  const Statistics& statistics = environment_.admission.statistics;
  const ServerFigures& figures = environment_.figures;
  *response->mutable_uptime() =
      ToProtoDuration(environment_.admission.clock.Now() - figures.started);
  response->set_open_region_count(environment_.registry.open_regions());
  response->set_appended_batch_count(statistics.appended_batches);
  response->set_appended_record_count(statistics.appended_records);
  response->set_appended_payload_bytes(statistics.appended_payload_bytes);
  response->set_refused_batch_count(statistics.refused_batches);
  response->set_commit_count(statistics.commits);
  response->set_sync_count(statistics.syncs);
  response->set_read_record_count(statistics.read_records);
  response->set_read_payload_bytes(statistics.read_payload_bytes);
  response->set_open_reader_count(statistics.open_readers);
  response->set_mailbox_bytes(environment_.registry.mailbox_budget().used());
  response->set_mailbox_limit_bytes(environment_.registry.mailbox_budget().limit());
  response->set_reader_bytes(figures.reader_budget.used());
  response->set_reader_limit_bytes(figures.reader_budget.limit());
  response->set_entry_memory_bytes(figures.entry_memory.pages().used());
  response->set_entry_memory_limit_bytes(figures.entry_memory.pages().limit());
  call->Answer(absl::OkStatus());
  return call;
}

}  // namespace walden
