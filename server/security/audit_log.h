// The audit in the daemon's log: events "denied", "denials left out" and "admin call".
#pragma once

#include "server/security/audit.h"

namespace walden {

class AuditLog final : public AuditSink {
 public:
  void OnDenied(const AuditEntry& entry) override;
  void OnAdminCall(const AuditEntry& entry) override;
  void OnDenialsLeftOut(absl::string_view peer, uint64_t count) override;
};

}  // namespace walden
