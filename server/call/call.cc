#include "server/call/call.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/error.h"
#include "server/call/error_to_proto.h"
#include "server/region/shutting_down.h"
#include "server/security/method_rights.h"

namespace walden {
namespace {

// The id by which rights know a namespace: 0 for one that does not exist (`found` is null).
NamespaceId KnownId(const Namespace* found) {
  return found == nullptr ? NamespaceId{0} : found->id;
}

std::string Shown(uint32_t namespace_id) {
  return namespace_id == 0 ? "the default namespace" : absl::StrCat("namespace ", namespace_id);
}

// Calls to AdminService by administrators are exempt from `limits.max_calls` and do not count
// towards it.
bool IsExemptAdminCall(Method method, const AccessControl* access, const Identity* caller) {
  if (!IsAdministrative(method)) return false;
  return access == nullptr || (caller != nullptr && caller->Administers());
}

}  // namespace

absl::Status TooManyCalls(int64_t limit) {
  return MakeError(
      absl::StatusCode::kResourceExhausted, ErrorReason::kTooManyCalls,
      absl::StrCat("more than ", limit, " calls are open at once; try again when some have ended"),
      {{"field", "limits.max_calls"}, {"limit", absl::StrCat(limit)}});
}

Call::Call(const CallAdmission& admission, Method method,
           const grpc::ServerContextBase& grpc_context)
    : admission_(admission),
      count_(&admission.live_calls),
      method_(method),
      grpc_context_(grpc_context),
      arrived_(admission.clock.Now()) {
  Statistics::Add(admission.statistics.Of(method).open, 1);
  if (admission.access != nullptr) {
    generation_ = admission.access->generation();
    absl::StatusOr<std::shared_ptr<const Identity>> identity =
        admission.access->Recognise(grpc_context);
    refused_ = identity.status();
    if (identity.ok()) identity_ = *std::move(identity);
  }
  tenant_ = identity_ == nullptr ? &admission.tenants.anonymous()
                                 : &admission.tenants.Of(identity_->name());
  const uint64_t open = tenant_->EnterCall();
  if (refused_.ok() && admission.live_calls.shutting_down()) {
    refused_ = ShuttingDownError();
  }
  if (!refused_.ok() || IsExemptAdminCall(method, admission.access, identity_.get())) return;
  count_.Limit();
  refused_ = tenant_->CheckCalls(open);
  if (refused_.ok() && admission.live_calls.TooMany()) {
    refused_ = TooManyCalls(admission.live_calls.max_calls());
  }
}

Call::~Call() {
  tenant_->LeaveCall();
  Statistics::Subtract(admission_.statistics.Of(method_).open, 1);
}

absl::StatusOr<std::shared_ptr<const Identity>> Call::Caller() const {
  if (!refused_.ok()) return refused_;
  if (identity_ == nullptr) return identity_;
  const uint64_t generation = admission_.access->generation();
  if (generation == generation_) return identity_;
  absl::MutexLock lock(&again_mutex_);
  if (again_identity_ != nullptr && again_generation_ == generation) return again_identity_;
  absl::StatusOr<std::shared_ptr<const Identity>> identity =
      admission_.access->Recognise(grpc_context_);
  if (identity.ok()) {
    again_identity_ = *identity;
    again_generation_ = generation;
  }
  return identity;
}

absl::Status Call::Abandoned() const {
  if (absl::FromChrono(grpc_context_.deadline()) <= absl::Now()) {
    return absl::DeadlineExceededError(
        "the call's deadline passed while it waited; nothing was stored");
  }
  if (!grpc_context_.IsCancelled()) return absl::OkStatus();
  return absl::CancelledError("the call was cancelled while it waited; nothing was stored");
}

absl::Status Call::Denied(const Identity& caller, uint32_t namespace_id,
                          std::optional<uint64_t> region_id) const {
  const std::string region = region_id.has_value() ? absl::StrCat(*region_id) : "";
  return MakeError(absl::StatusCode::kPermissionDenied, ErrorReason::kPermissionDenied,
                   absl::StrCat("\"", caller.name(), "\" may not call ", InfoOf(method_).name,
                                region.empty() ? "" : absl::StrCat(" on region ", region), " in ",
                                Shown(namespace_id)),
                   {{"namespace_id", absl::StrCat(namespace_id)}, {"region_id", region}});
}

absl::StatusOr<const Namespace*> Call::EnterNamespace(uint32_t namespace_id) const {
  const absl::StatusOr<std::shared_ptr<const Identity>> caller = Caller();
  if (!caller.ok()) return caller.status();
  const NamespaceSet& namespaces = admission_.namespaces;
  const Namespace* const found = namespaces.Find(namespace_id);
  if (*caller != nullptr && !(*caller)->KnowsNamespace(KnownId(found))) {
    return Denied(**caller, namespace_id, std::nullopt);
  }
  if (found == nullptr) return UnknownNamespace(namespaces, namespace_id);
  return found;
}

absl::StatusOr<EnteredRegion> Call::EnterRegion(uint32_t namespace_id, uint64_t region_id,
                                                Rights more) const {
  const absl::StatusOr<std::shared_ptr<const Identity>> caller = Caller();
  if (!caller.ok()) return caller.status();
  const NamespaceSet& namespaces = admission_.namespaces;
  const Namespace* const found = namespaces.Find(namespace_id);
  const Rights needed = RightsOf(method_) | more;
  if (*caller != nullptr && !(*caller)->Allows(KnownId(found), region_id, needed)) {
    return Denied(**caller, namespace_id, region_id);
  }
  if (found == nullptr) return UnknownNamespace(namespaces, namespace_id);
  const RegionKey key{found->id, region_id};
  if (needed == Right::kAdmin) administered_ = key;
  return EnteredRegion{key, found};
}

absl::Status Call::MayGoOn(const RegionKey& key) const {
  const absl::StatusOr<std::shared_ptr<const Identity>> caller = Caller();
  if (!caller.ok()) return caller.status();
  if (*caller == nullptr || (*caller)->Allows(key.namespace_id, key.region, RightsOf(method_))) {
    return absl::OkStatus();
  }
  return Denied(**caller, key.namespace_id, key.region);
}

absl::Status Call::StillRecognised() const { return Caller().status(); }

absl::Status Call::JoinLiveCalls(LiveCall* reactor) const {
  return admission_.live_calls.Add(reactor) ? absl::OkStatus() : ShuttingDownError();
}

void Call::CountRequest(absl::Duration arrived) const {
  admission_.statistics.Of(method_).request_nanos.Observe(
      static_cast<uint64_t>(absl::ToInt64Nanoseconds(Now() - arrived)));
}

void Call::CountRefusal(const absl::Status& status) const {
  admission_.statistics.CountRefusal(status);
  AddToAudit(status);
}

// Adds denied calls, and administrative calls when they end, to the audit.
void Call::AddToAudit(const absl::Status& status) const {
  if (admission_.audit == nullptr) return;
  const bool denied = absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status);
  const MethodInfo& method = InfoOf(method_);
  if (!denied && !(RightsOf(method_) == Right::kAdmin)) return;
  AuditEntry entry;
  entry.peer = grpc_context_.peer();
  if (identity_ != nullptr) entry.identity = identity_->name();
  entry.method = absl::StrCat(method.service, ".", method.name);
  if (administered_.has_value()) {
    entry.namespace_id = absl::StrCat(administered_->namespace_id);
    entry.region = absl::StrCat(administered_->region);
  } else if (auto info = GetErrorInfo(status); info.has_value()) {
    entry.namespace_id = info->metadata["namespace_id"];
    entry.region = info->metadata["region_id"];
  }
  entry.outcome = status;
  if (denied) {
    admission_.audit->Denied(std::move(entry));
  } else {
    admission_.audit->AdminCall(entry);
  }
}

grpc::Status Call::End(const absl::Status& how) const {
  const absl::Status status = Outward(how);
  Statistics::Calls& calls = admission_.statistics.Of(method_);
  Statistics::Add(calls.ended[static_cast<size_t>(status.code())], 1);
  calls.duration_nanos.Observe(static_cast<uint64_t>(absl::ToInt64Nanoseconds(Now() - arrived_)));
  AddToAudit(status);
  if (status.ok()) return grpc::Status::OK;
  admission_.statistics.CountRefusal(status);
  return ToGrpcStatus(status);
}

}  // namespace walden
