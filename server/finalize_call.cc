#include "server/finalize_call.h"

#include "server/entry_validation.h"
#include "server/error_mapping.h"
#include "server/read_session.h"
#include "server/validation.h"

namespace walden {

FinalizeCall::FinalizeCall(const RpcContext& context, const v1::FinalizeRequest& request,
                           v1::FinalizeResponse* response)
    : count_(context.live_calls), response_(response) {
  const absl::StatusOr<RegionKey> key =
      CheckRegion(context.registry->namespaces(), request.namespace_(), request.region_id());
  absl::Status status = key.status();
  if (status.ok() && request.flush_id() == 0) {
    status = InvalidField("flush_id", "0", "must be what Flush answered; 0 means nothing to do");
  }
  if (context.live_calls->shutting_down()) status = LiveCalls::ShuttingDownError();
  if (!status.ok()) {
    Finish(ToGrpcStatus(status));
    return;
  }
  table = request.table_id();
  through = request.flush_id();
  table_kind = TableKind::kEntries;
  if (request.has_region_version()) region_version = request.region_version();
  context.registry->Find(
      *key, [this](const absl::StatusOr<std::shared_ptr<RegionActor>>& actor) { Find(actor); });
}

// The table knows its flushes once its pages were made.
void FinalizeCall::Find(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor) {
  absl::Status status = actor.status();
  if (status.ok() && *actor == nullptr) status = NoSuchFlush(table, through);
  if (status.ok()) {
    const auto entries = (*actor)->entries().Find(table);
    status = entries.status();
    if (status.ok() && *entries == nullptr) status = NoSuchFlush(table, through);
    if (status.ok()) {
      (*entries)->WhenReady(
          [this, actor = *actor](const absl::Status& ready) { Submit(actor, ready); });
      return;
    }
  }
  Finish(ToGrpcStatus(status));
}

void FinalizeCall::Submit(const std::shared_ptr<RegionActor>& actor, const absl::Status& ready) {
  if (!ready.ok()) {
    Finish(ToGrpcStatus(ready));
  } else if (!actor->Post(this)) {
    Finish(ToGrpcStatus(ReadSession::ClosedError(*actor)));
  }
}

void FinalizeCall::OnAnswered() {
  if (result.ok()) response_->set_finalized_through(*result);
  Finish(ToGrpcStatus(result.status()));
}

}  // namespace walden
