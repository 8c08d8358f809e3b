// One call from its arrival to its end: who makes it, what they may, how it ended.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/live_calls.h"
#include "server/method.h"
#include "server/namespaces.h"
#include "server/region_actor.h"
#include "server/rpc_context.h"
#include "server/security/identity.h"

namespace walden {

// A member of the reactor that answers the call. Any thread; Begin before all else, End once.
class Call {
 public:
  Call(const RpcContext& context, Method method, const grpc::ServerContextBase& grpc_context);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Why the call is refused whatever it asks for: UNAUTHENTICATED; UNAVAILABLE, SHUTTING_DOWN.
  const absl::Status& refused() const { return refused_; }

  // The namespace that a request names: UNKNOWN_NAMESPACE, PERMISSION_DENIED, or as refused().
  absl::StatusOr<const Namespace*> EnterNamespace(uint32_t namespace_id) const;

  // The region that a request names, if the caller has the method's rights on it. Errors as above.
  absl::StatusOr<RegionKey> EnterRegion(uint32_t namespace_id, uint64_t region_id) const;

  // Whether a listing shows them to the caller: those that the caller has any right on.
  bool KnowsNamespace(NamespaceId in) const {
    return identity_ == nullptr || identity_->KnowsNamespace(in);
  }
  bool KnowsRegion(const RegionKey& key) const {
    return identity_ == nullptr || identity_->KnowsRegion(key.namespace_id, key.region);
  }

  // Null if callers are not told apart.
  const std::shared_ptr<const Identity>& identity() const { return identity_; }

  // Counts a request in a stream that is refused while the stream goes on.
  void CountRefusal(const absl::Status& status) const;

  // Counts how the call ends; what to finish it with.
  grpc::Status End(const absl::Status& status) const;

 private:
  const RpcContext& context_;
  const CallCount count_;
  const Method method_;
  const absl::Duration arrived_;
  std::shared_ptr<const Identity> identity_;
  absl::Status refused_;
};

}  // namespace walden
