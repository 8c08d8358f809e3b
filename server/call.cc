#include "server/call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "server/error_mapping.h"
#include "server/validation.h"

namespace walden {

Call::Call(const RpcContext& context, Method method, const grpc::ServerContextBase& grpc_context)
    : context_(context),
      count_(context.live_calls),
      method_(method),
      arrived_(context.clock->Now()) {
  Statistics::Add(context.statistics->Of(method).open, 1);
  if (context.access != nullptr) {
    absl::StatusOr<std::shared_ptr<const Identity>> identity =
        context.access->Recognise(grpc_context);
    refused_ = identity.status();
    if (identity.ok()) identity_ = *std::move(identity);
  }
  if (refused_.ok() && context.live_calls->shutting_down()) {
    refused_ = LiveCalls::ShuttingDownError();
  }
}

Call::~Call() { Statistics::Subtract(context_.statistics->Of(method_).open, 1); }

absl::StatusOr<const Namespace*> Call::EnterNamespace(uint32_t namespace_id) const {
  if (!refused_.ok()) return refused_;
  return CheckNamespace(context_.registry->namespaces(), namespace_id);
}

absl::StatusOr<RegionKey> Call::EnterRegion(uint32_t namespace_id, uint64_t region_id) const {
  const absl::StatusOr<const Namespace*> in = EnterNamespace(namespace_id);
  if (!in.ok()) return in.status();
  return RegionKey{(*in)->id, region_id};
}

void Call::CountRefusal(const absl::Status& status) const {
  context_.statistics->CountRefusal(status);
}

grpc::Status Call::End(const absl::Status& status) const {
  Statistics::Calls& calls = context_.statistics->Of(method_);
  Statistics::Add(calls.ended[static_cast<size_t>(status.code())], 1);
  calls.duration_nanos.Observe(
      static_cast<uint64_t>(absl::ToInt64Nanoseconds(context_.clock->Now() - arrived_)));
  if (status.ok()) return grpc::Status::OK;
  CountRefusal(status);
  return ToGrpcStatus(status);
}

}  // namespace walden
