// Authenticates, authorises, counts and audits one call, from its arrival to its end.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/call/call_admission.h"
#include "server/call/live_calls.h"
#include "server/region/namespaces.h"
#include "server/region/region_key.h"
#include "server/security/identity.h"
#include "server/statistics/method.h"

namespace walden {

// RESOURCE_EXHAUSTED (TOO_MANY_CALLS): as many calls are open as limits.max_calls allows.
absl::Status TooManyCalls(int64_t limit);

// A region that a caller may use.
struct EnteredRegion {
  RegionKey key;
  const Namespace* ns = nullptr;  // never null in an answer of EnterRegion
};

// A member of the reactor that answers the call. Any thread. End must be called once. After a
// change of rights the next check authenticates the caller again, once for each change, and uses
// the new rights.
class Call {
 public:
  Call(const CallAdmission& admission, Method method, const grpc::ServerContextBase& grpc_context);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // OK, or why every request of the call is refused: UNAUTHENTICATED, SHUTTING_DOWN, a limit.
  const absl::Status& refused() const { return refused_; }

  // Finds the namespace that a request names, in which the caller must have a right. Errors:
  // refused(), PERMISSION_DENIED (also if it does not exist), or UNKNOWN_NAMESPACE with rights.
  absl::StatusOr<const Namespace*> EnterNamespace(uint32_t namespace_id) const;

  // Finds the region that a request names. The caller must have the method's rights. Errors as
  // above.
  // `more`: rights that this request needs beside those of its method.
  absl::StatusOr<EnteredRegion> EnterRegion(uint32_t namespace_id, uint64_t region_id,
                                            Rights more = {}) const;

  // Checks a long call again: OK while its caller is recognised and has the method's rights on the
  // region. StillRecognised checks the first alone. Both are cheap while rights do not change.
  absl::Status MayGoOn(const RegionKey& key) const;
  absl::Status StillRecognised() const;

  // Whether a listing shows the namespace or region: the caller has any right on it.
  bool KnowsNamespace(NamespaceId ns) const {
    return identity_ == nullptr || identity_->KnowsNamespace(ns);
  }
  bool KnowsRegion(const RegionKey& key) const {
    return identity_ == nullptr || identity_->KnowsRegion(key.namespace_id, key.region);
  }

  // Null if the daemon has no identities file.
  const std::shared_ptr<const Identity>& identity() const { return identity_; }

  // The tenant whose limits apply to the call. Outlives it.
  Tenant& tenant() const { return *tenant_; }

  // OK while the caller waits for an answer; otherwise DEADLINE_EXCEEDED or CANCELLED.
  absl::Status Abandoned() const;

  // Registers the reactor of a call that does not end by itself. Until LeaveLiveCalls it is told of
  // the shutdown and of changed rights. UNAVAILABLE (SHUTTING_DOWN) if the daemon is shutting down.
  // Earlier changes of rights are not reported, so rights must be checked again afterwards.
  absl::Status JoinLiveCalls(LiveCall* reactor) const;
  // Does nothing for a reactor that is not registered.
  void LeaveLiveCalls(LiveCall* reactor) const { admission_.live_calls.Remove(reactor); }
  bool shutting_down() const { return admission_.live_calls.shutting_down(); }

  // Counts and audits the refusal of one request in a stream that goes on.
  void CountRefusal(const absl::Status& status) const;

  // The time by which CountRequest measures.
  absl::Duration Now() const { return admission_.clock.Now(); }
  // Counts the duration of one request in a stream, from its arrival until now.
  void CountRequest(absl::Duration arrived) const;

  // Counts and audits the end of the call. Returns the status to finish it with.
  grpc::Status End(const absl::Status& status) const;

 private:
  // Null if the daemon has no identities file.
  absl::StatusOr<std::shared_ptr<const Identity>> Caller() const ABSL_LOCKS_EXCLUDED(again_mutex_);
  absl::Status Denied(const Identity& caller, uint32_t namespace_id,
                      std::optional<uint64_t> region_id) const;
  void AddToAudit(const absl::Status& status) const;

  const CallAdmission& admission_;
  CallCount count_;
  const Method method_;
  const grpc::ServerContextBase& grpc_context_;
  const absl::Duration arrived_;
  uint64_t generation_ = 0;  // of the rights by which identity_ was recognised
  std::shared_ptr<const Identity> identity_;
  Tenant* tenant_ = nullptr;
  absl::Status refused_;
  // The latest result of authenticating the caller again, after rights changed.
  mutable absl::Mutex again_mutex_;
  mutable uint64_t again_generation_ ABSL_GUARDED_BY(again_mutex_) = 0;
  mutable std::shared_ptr<const Identity> again_identity_ ABSL_GUARDED_BY(again_mutex_);
  // The region of an administrative call, for the audit. Set once, before other threads see the
  // call.
  mutable std::optional<RegionKey> administered_;
};

}  // namespace walden
