// The rights that each rpc needs.
#pragma once

#include "server/security/identity.h"
#include "server/statistics/method.h"

namespace walden {

// The rights that a caller must have on the region that the request names. Empty: every caller may
// call it.
Rights RightsOf(Method method);

}  // namespace walden
