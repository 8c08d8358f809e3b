#include "server/security/network_exposure_check.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace walden {
namespace {

bool IsLoopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* const v4 = reinterpret_cast<const sockaddr_in*>(address);
    return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  }
  if (address->sa_family != AF_INET6) return false;
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

// Without port and brackets.
std::string HostOfAddress(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return host;
}

}  // namespace

bool IsLocalAddress(const std::string& address) {
  if (absl::StartsWith(address, "unix:")) return true;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(HostOfAddress(address).c_str(), nullptr, &hints, &found) != 0) return false;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, &freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (!IsLoopback(one->ai_addr)) return false;
  }
  return found != nullptr;
}

absl::Status CheckNetworkExposure(const Config& config) {
  const SecurityConfig& security = config.security;
  const bool guarded = security.tls.enabled() && !security.identities_file.empty();
  if (guarded || security.allow_insecure_network) return absl::OkStatus();
  for (size_t i = 0; i < config.listen.size(); ++i) {
    if (IsLocalAddress(config.listen[i])) continue;
    const char* const missing = security.tls.enabled()             ? "identities"
                                : security.identities_file.empty() ? "TLS and identities"
                                                                   : "TLS";
    return absl::InvalidArgumentError(absl::StrCat(
        "listen[", i, "]: \"", config.listen[i],
        "\" can be reached by others than this machine, "
        "and ",
        missing,
        " are missing. Either listen on 127.0.0.1, [::1] or unix:/path; or set "
        "security.tls.certificate_file, security.tls.key_file and security.identities_file; or, if "
        "everybody in that network may read and delete every log, set "
        "security.allow_insecure_network: true (WALDEN_SECURITY_ALLOW_INSECURE_NETWORK=true)"));
  }
  return absl::OkStatus();
}

}  // namespace walden
