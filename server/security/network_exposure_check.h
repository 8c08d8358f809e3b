// The check that keeps the daemon from serving a network without TLS and identities by accident.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "config/config.h"

namespace walden {

// Whether only this machine's processes can connect there: a unix socket, or an address of
// loopback. Names are resolved; one that means anything else, or nothing, is not.
bool IsLocalAddress(const std::string& address);

// INVALID_ARGUMENT if `listen` has an address that others can reach, and not both TLS and
// identities guard it, and the configuration does not say that this is wanted.
absl::Status CheckNetworkExposure(const Config& config);

}  // namespace walden
