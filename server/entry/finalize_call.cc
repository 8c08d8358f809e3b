#include "server/entry/finalize_call.h"

#include "server/call/request_checks.h"
#include "server/entry/entry_request_checks.h"
#include "server/region/read_session.h"

namespace walden {

FinalizeCall::FinalizeCall(const CallAdmission& admission, RegionRegistry& registry,
                           const grpc::CallbackServerContext& call,
                           const v1::FinalizeRequest& request, v1::FinalizeResponse* response)
    : call_(admission, Method::kFinalize, call), response_(response) {
  const absl::StatusOr<EnteredRegion> entered =
      call_.EnterRegion(request.namespace_id(), request.region_id());
  absl::Status status = entered.status();
  if (status.ok() && request.flush_id() == 0) {
    status = InvalidField(
        "flush_id", "0",
        "must be the id that Flush answered; 0 means that there is nothing to finalize");
  }
  if (status.ok()) status = TakeRegionVersion(request, region_version);
  if (!status.ok()) {
    Finish(call_.End(status));
    return;
  }
  marks = {{request.table_id(), request.flush_id()}};
  table_kind = TableKind::kEntries;
  registry.Find(entered->key,
                [this](const absl::StatusOr<std::shared_ptr<RegionActor>>& actor) { Find(actor); });
}

// The table knows its flushes once its pages are loaded.
void FinalizeCall::Find(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor) {
  absl::Status status = actor.status();
  if (status.ok() && *actor == nullptr) status = NoSuchFlush(marks[0].table, marks[0].through);
  if (status.ok()) {
    const auto entries = (*actor)->entries().Find(marks[0].table);
    status = entries.status();
    if (status.ok() && *entries == nullptr) status = NoSuchFlush(marks[0].table, marks[0].through);
    if (status.ok()) {
      (*entries)->WhenReady(
          [this, actor = *actor](const absl::Status& ready) { Submit(actor, ready); });
      return;
    }
  }
  Finish(call_.End(status));
}

void FinalizeCall::Submit(const std::shared_ptr<RegionActor>& actor, const absl::Status& ready) {
  if (!ready.ok()) {
    Finish(call_.End(ready));
  } else if (!actor->Post(this)) {
    Finish(call_.End(ReadSession::ClosedError(*actor)));
  }
}

void FinalizeCall::OnAnswered() {
  if (result.ok()) response_->set_finalized_through(result->front());
  Finish(call_.End(result.status()));
}

}  // namespace walden
