#include "server/admin_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "server/describe.h"
#include "server/error_mapping.h"
#include "server/validation.h"
#include "server/verify_call.h"

namespace walden {
namespace {

using FoundActor = absl::StatusOr<std::shared_ptr<RegionActor>>;

// Deletes itself when gRPC is done with it.
class AdminCall final : public grpc::ServerUnaryReactor {
 public:
  explicit AdminCall(const RpcContext& context) : count_(context.live_calls) {}

 private:
  void OnDone() override { delete this; }

  const CallCount count_;
};

class SyncCall final : public SyncJob {
 public:
  explicit SyncCall(grpc::ServerUnaryReactor* reactor) : reactor_(reactor) {}

  void OnAnswered() override {
    reactor_->Finish(ToGrpcStatus(result));
    delete this;
  }

 private:
  grpc::ServerUnaryReactor* const reactor_;
};

absl::Status NeverWritten(const RegionKey& key) {
  return MakeError(absl::StatusCode::kNotFound, ErrorReason::kNotFound,
                   absl::StrCat("region ", key.region, " was never written"),
                   {{"field", "region_id"}, {"value", absl::StrCat(key.region)}});
}

}  // namespace

template <typename Request>
bool AdminService::Accept(const Request& request, Reactor* reactor, RegionKey* key) {
  if (context_.live_calls->shutting_down()) {
    reactor->Finish(ToGrpcStatus(LiveCalls::ShuttingDownError()));
    return false;
  }
  const absl::StatusOr<RegionKey> checked =
      CheckRegion(context_.registry->namespaces(), request.namespace_(), request.region_id());
  if (!checked.ok()) {
    reactor->Finish(ToGrpcStatus(checked.status()));
    return false;
  }
  *key = *checked;
  return true;
}

AdminService::Reactor* AdminService::ListNamespaces(Context*, const v1::ListNamespacesRequest*,
                                                    v1::ListNamespacesResponse* response) {
  Reactor* const reactor = new AdminCall(context_);
  context_.background->Post([this, reactor, response] {
    const NamespaceSet& namespaces = context_.registry->namespaces();
    for (const Namespace* ns : namespaces.All()) {
      const auto regions = ns->engine->ListRegions();
      v1::NamespaceInfo* const info = response->add_namespaces();
      info->set_id(ns->id);
      info->set_name(ns->name);
      info->set_engine(std::string(ns->engine->name()));
      info->set_is_default(ns->id == namespaces.default_id());
      if (regions.ok()) {
        info->set_regions(regions->size());
      } else {
        info->set_error(regions.status().ToString(absl::StatusToStringMode::kWithNoExtraData));
      }
    }
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

AdminService::Reactor* AdminService::ListRegions(Context*, const v1::ListRegionsRequest* request,
                                                 v1::ListRegionsResponse* response) {
  Reactor* const reactor = new AdminCall(context_);
  const absl::StatusOr<const Namespace*> in =
      CheckNamespace(context_.registry->namespaces(), request->namespace_());
  if (!in.ok()) {
    reactor->Finish(ToGrpcStatus(in.status()));
    return reactor;
  }
  context_.background->Post([this, reactor, response, in = *in] {
    const auto listings = context_.registry->List(*in);
    if (listings.ok()) {
      for (const RegionListing& listing : *listings) {
        FillRegionInfo(listing, response->add_regions());
      }
    }
    reactor->Finish(ToGrpcStatus(listings.status()));
  });
  return reactor;
}

AdminService::Reactor* AdminService::DescribeRegion(Context*,
                                                    const v1::DescribeRegionRequest* request,
                                                    v1::DescribeRegionResponse* response) {
  Reactor* const reactor = new AdminCall(context_);
  RegionKey key;
  if (!Accept(*request, reactor, &key)) return reactor;
  context_.registry->Find(key, [this, key, reactor, response](const FoundActor& actor) {
    if (!actor.ok() || *actor == nullptr) {
      reactor->Finish(ToGrpcStatus(actor.ok() ? NeverWritten(key) : actor.status()));
      return;
    }
    const RegionDescription description = (*actor)->log().Describe();
    const absl::Status health = (*actor)->log().Health();
    FillRegionInfo(
        {key.region, health.ok() ? RegionListing::State::kOpen : RegionListing::State::kFailed,
         health},
        response->mutable_info());
    const Namespace* const in = context_.registry->namespaces().Find(key.namespace_id);
    FillRegionState(description, in->engine->name(), response->mutable_state());
    FillSegments(description, response);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

AdminService::Reactor* AdminService::GetNextSequence(Context*,
                                                     const v1::GetNextSequenceRequest* request,
                                                     v1::GetNextSequenceResponse* response) {
  Reactor* const reactor = new AdminCall(context_);
  RegionKey key;
  if (!Accept(*request, reactor, &key)) return reactor;
  const TableId table = request->table_id();
  context_.registry->Find(key, [reactor, response, table](const FoundActor& actor) {
    if (!actor.ok()) {
      reactor->Finish(ToGrpcStatus(actor.status()));
      return;
    }
    TablePosition position;
    if (*actor != nullptr) position = (*actor)->log().Position(table);
    response->mutable_position()->set_first_sequence(position.first);
    response->mutable_position()->set_next_sequence(position.next);
    response->mutable_position()->set_deleted_through(position.deleted_through);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

AdminService::Reactor* AdminService::SyncRegion(Context*, const v1::SyncRegionRequest* request,
                                                v1::SyncRegionResponse*) {
  Reactor* const reactor = new AdminCall(context_);
  RegionKey key;
  if (Accept(*request, reactor, &key)) context_.registry->Submit(key, new SyncCall(reactor));
  return reactor;
}

AdminService::Reactor* AdminService::CloseRegion(Context*, const v1::CloseRegionRequest* request,
                                                 v1::CloseRegionResponse* response) {
  Reactor* const reactor = new AdminCall(context_);
  RegionKey key;
  if (!Accept(*request, reactor, &key)) return reactor;
  context_.registry->Close(key, [reactor, response](const absl::StatusOr<bool>& was_open) {
    if (was_open.ok()) response->set_was_open(*was_open);
    reactor->Finish(ToGrpcStatus(was_open.status()));
  });
  return reactor;
}

AdminService::Reactor* AdminService::DropRegion(Context*, const v1::DropRegionRequest* request,
                                                v1::DropRegionResponse* response) {
  Reactor* const reactor = new AdminCall(context_);
  RegionKey key;
  if (!Accept(*request, reactor, &key)) return reactor;
  if (request->confirm_region_id() != key.region) {
    reactor->Finish(ToGrpcStatus(MakeError(
        absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
        absl::StrCat("confirm_region_id (", request->confirm_region_id(),
                     ") must repeat region_id (", key.region, "), because a drop cannot be undone"),
        {{"field", "confirm_region_id"},
         {"value", absl::StrCat(request->confirm_region_id())},
         {"limit", absl::StrCat(key.region)}})));
    return reactor;
  }
  context_.registry->Drop(key, [reactor, response](const absl::StatusOr<bool>& existed) {
    if (existed.ok()) response->set_existed(*existed);
    reactor->Finish(ToGrpcStatus(existed.status()));
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::VerifyResponse>* AdminService::Verify(
    Context*, const v1::VerifyRequest* request) {
  return new VerifyCall(context_, *request);
}

AdminService::Reactor* AdminService::GetStatistics(Context*, const v1::GetStatisticsRequest*,
                                                   v1::GetStatisticsResponse* response) {
  const Statistics& statistics = *context_.statistics;
  response->set_version(context_.version);
  response->set_uptime_micros(absl::ToInt64Microseconds(context_.clock->Now() - context_.started));
  response->set_open_regions(context_.registry->open_regions());
  response->set_appended_batches(statistics.appended_batches);
  response->set_appended_records(statistics.appended_records);
  response->set_appended_payload_bytes(statistics.appended_payload_bytes);
  response->set_refused_batches(statistics.refused_batches);
  response->set_commits(statistics.commits);
  response->set_syncs(statistics.syncs);
  response->set_read_records(statistics.read_records);
  response->set_read_payload_bytes(statistics.read_payload_bytes);
  response->set_mailbox_bytes(context_.registry->mailbox_budget().used());
  response->set_mailbox_bytes_limit(context_.registry->mailbox_budget().limit());
  response->set_reader_bytes(context_.reader_budget->used());
  response->set_reader_bytes_limit(context_.reader_budget->limit());
  response->set_open_readers(statistics.open_readers);
  response->set_max_batch_bytes(context_.limits.max_batch_bytes);
  response->set_max_batch_records(context_.limits.max_batch_records);
  response->set_max_payload_bytes(context_.limits.max_payload_bytes);
  response->set_max_key_bytes(context_.limits.max_key_bytes);
  response->set_entry_memory_bytes(context_.entry_memory->pages().used());
  response->set_entry_memory_bytes_limit(context_.entry_memory->pages().limit());
  Reactor* const reactor = new AdminCall(context_);
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace walden
