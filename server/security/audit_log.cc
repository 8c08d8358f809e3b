#include "server/security/audit_log.h"

#include "server/log/logging.h"

namespace walden {

void AuditLog::OnDenied(const AuditEntry& entry) {
  Log(LogSeverity::kWarning, "denied",
      {{"identity", entry.identity},
       {"peer", entry.peer},
       {"method", entry.method},
       {"namespace", entry.namespace_id},
       {"region", entry.region},
       {"code", absl::StatusCodeToString(entry.outcome.code())},
       {"error", entry.outcome.message()},
       {"left_out", entry.left_out}});
}

void AuditLog::OnAdminCall(const AuditEntry& entry) {
  Log(LogSeverity::kInfo, "admin call",
      {{"identity", entry.identity},
       {"peer", entry.peer},
       {"method", entry.method},
       {"namespace", entry.namespace_id},
       {"region", entry.region},
       {"code", absl::StatusCodeToString(entry.outcome.code())},
       {"error", entry.outcome.message()}});
}

void AuditLog::OnDenialsLeftOut(absl::string_view peer, uint64_t count) {
  Log(LogSeverity::kWarning, "denials left out", {{"peer", peer}, {"count", count}});
}

}  // namespace walden
