#include "server/metrics/tcp_listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/error.h"

namespace walden {
namespace {

constexpr int kBacklog = 256;

absl::Status ListenError(const std::string& address, absl::string_view why) {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                   absl::StrCat("cannot listen on ", address, ": ", why),
                   {{"field", "metrics.listen"}, {"value", address}});
}

// 0 if the system does not say.
int PortOf(int socket) {
  sockaddr_storage bound{};
  socklen_t length = sizeof(bound);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &length) != 0) return 0;
  if (bound.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

// The errno of what failed, or 0.
int Listen(const addrinfo& at, Descriptor& result) {
  Descriptor made(
      socket(at.ai_family, at.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at.ai_protocol));
  if (made.get() < 0) return errno;
  // The port of a daemon that has just ended may be taken again at once; a living one's may not.
  const int on = 1;
  if (setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) return errno;
  if (bind(made.get(), at.ai_addr, at.ai_addrlen) != 0) return errno;
  if (listen(made.get(), kBacklog) != 0) return errno;
  result = std::move(made);
  return 0;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(value_, other.value_);
  return *this;
}

Descriptor::~Descriptor() {
  if (value_ >= 0) close(value_);
}

int Descriptor::Release() { return std::exchange(value_, -1); }

absl::StatusOr<std::vector<TcpListener>> ListenTcp(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int resolved = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (resolved != 0) {
    return ListenError(address,
                       resolved == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(resolved));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::vector<TcpListener> listeners;
  int error = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    // A free port of one address need not be free at another.
    if (port == "0" && !listeners.empty()) break;
    Descriptor socket;
    const int failed = Listen(*at, socket);
    if (failed == EADDRNOTAVAIL || failed == EAFNOSUPPORT) {
      error = failed;  // "localhost" may have an IPv6 address where there is no IPv6
      continue;
    }
    if (failed != 0) return ListenError(address, std::strerror(failed));
    std::string shown = address;
    if (port == "0") shown = absl::StrCat(address.substr(0, colon + 1), PortOf(socket.get()));
    listeners.push_back({std::move(socket), std::move(shown)});
  }
  if (listeners.empty()) return ListenError(address, std::strerror(error));
  return listeners;
}

}  // namespace walden
