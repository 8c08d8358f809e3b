// The parts of the daemon that every call passes, whatever its method.
#pragma once

#include "base/clock.h"
#include "server/call/live_calls.h"
#include "server/limits/tenant.h"
#include "server/region/namespaces.h"
#include "server/security/access_control.h"
#include "server/security/audit.h"
#include "server/statistics/statistics.h"

namespace walden {

// All outlive every call and may be used by any thread.
struct CallAdmission {
  const NamespaceSet& namespaces;
  LiveCalls& live_calls;
  Tenants& tenants;
  Statistics& statistics;
  const Clock& clock;
  const AccessControl* access = nullptr;  // null: every caller may call everything
  Audit* audit = nullptr;                 // null: no audit
};

}  // namespace walden
