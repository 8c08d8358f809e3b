// Keeps the daemon from serving a network without TLS and identities by accident.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "config/config.h"

namespace walden {

// Whether only processes of this machine can connect to the address: it is a unix socket, or all
// addresses of its host are loopback. False for a host name that cannot be resolved.
bool IsLocalAddress(const std::string& address);

// INVALID_ARGUMENT if other machines can reach an address of `listen`, TLS or identities are off,
// and the configuration does not allow that.
absl::Status CheckNetworkExposure(const Config& config);

}  // namespace walden
