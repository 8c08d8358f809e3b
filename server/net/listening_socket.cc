#include "server/net/listening_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"

namespace walden {
namespace {

// The address to listen on, and the setting that names it.
struct Wish {
  const std::string& address;
  absl::string_view field;
};

absl::Status ListenError(const Wish& wish, absl::string_view what, const char* error) {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                   absl::StrCat("cannot listen on ", wish.address, ": ", what, ": ", error),
                   {{"field", std::string(wish.field)}, {"value", wish.address}, {"error", error}});
}

// `error` is 0 or the errno of `operation`.
int BindAndListen(int descriptor, const sockaddr* address, socklen_t length,
                  absl::string_view* operation) {
  *operation = "bind";
  if (::bind(descriptor, address, length) != 0) return errno;
  *operation = "listen";
  return ::listen(descriptor, SOMAXCONN) == 0 ? 0 : errno;
}

void SetPort(addrinfo& info, uint16_t port) {
  if (info.ai_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(info.ai_addr)->sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6*>(info.ai_addr)->sin6_port = htons(port);
  }
}

int PortOf(int descriptor) {
  sockaddr_storage bound = {};
  socklen_t length = sizeof(bound);
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &length) != 0) return 0;
  return ntohs(bound.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(bound).sin_port
                                          : reinterpret_cast<sockaddr_in6&>(bound).sin6_port);
}

// A bound socket of the family; without one, `error` and `operation` say why.
Descriptor BindTcp(const addrinfo& info, int* error, absl::string_view* operation) {
  Descriptor socket(::socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  *operation = "socket";
  *error = socket.get() < 0 ? errno : 0;
  if (*error != 0) return socket;
  const int on = 1;
  const int off = 0;
  *operation = "setsockopt";
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) *error = errno;
  if (info.ai_family == AF_INET6 &&
      ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) {
    *error = errno;
  }
  if (*error == 0) *error = BindAndListen(socket.get(), info.ai_addr, info.ai_addrlen, operation);
  return *error == 0 ? std::move(socket) : Descriptor();
}

// The path of an address that begins with "unix:".
absl::StatusOr<sockaddr_un> UnixName(const Wish& wish) {
  absl::string_view path = absl::StripPrefix(wish.address, "unix:");
  if (absl::StartsWith(path, "//")) path.remove_prefix(2);
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(name.sun_path)) {
    return ListenError(wish, "bind", std::strerror(ENAMETOOLONG));
  }
  std::memcpy(name.sun_path, path.data(), path.size());
  return name;
}

// Whether no process listens any more on the unix socket of this path.
bool IsAbandoned(const sockaddr_un& name) {
  struct stat info = {};
  if (::lstat(name.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (probe.get() < 0) return false;
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

ListeningSocket::~ListeningSocket() {
  // If the file cannot be removed, the next socket that is opened there replaces it.
  if (file_.has_value() && IdentityOf(path_) == file_) (void)::unlink(path_.c_str());
}

std::optional<ListeningSocket::FileIdentity> ListeningSocket::IdentityOf(const std::string& path) {
  struct stat info = {};
  if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
  return FileIdentity{info.st_dev, info.st_ino};
}

absl::StatusOr<std::unique_ptr<ListeningSocket>> ListeningSocket::OpenUnix(
    const std::string& address, absl::string_view field) {
  const Wish wish{address, field};
  const absl::StatusOr<sockaddr_un> parsed = UnixName(wish);
  if (!parsed.ok()) return parsed.status();
  const sockaddr_un name = *parsed;
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return ListenError(wish, "socket", std::strerror(errno));
  if (IsAbandoned(name)) (void)::unlink(name.sun_path);  // otherwise bind returns the error
  absl::string_view operation;
  const int error = BindAndListen(socket.get(), reinterpret_cast<const sockaddr*>(&name),
                                  sizeof(name), &operation);
  if (error != 0) return ListenError(wish, operation, std::strerror(error));
  std::string bound = name.sun_path;
  const auto file = IdentityOf(bound);
  return std::unique_ptr<ListeningSocket>(
      new ListeningSocket(std::move(socket), address, std::move(bound), file));
}

absl::StatusOr<std::vector<std::unique_ptr<ListeningSocket>>> ListeningSocket::Open(
    const std::string& address, absl::string_view field) {
  if (absl::StartsWith(address, "unix:")) {
    auto socket = OpenUnix(address, field);
    if (!socket.ok()) return socket.status();
    Sockets sockets;
    sockets.push_back(*std::move(socket));
    return sockets;
  }
  int error = 0;
  return OpenTcp(address, field, &error);
}

absl::Status ListeningSocket::Check(const std::string& address, absl::string_view field) {
  if (!absl::StartsWith(address, "unix:")) {
    int error = 0;
    const absl::Status status = OpenTcp(address, field, &error).status();
    return error == EADDRINUSE ? absl::OkStatus() : status;
  }
  const Wish wish{address, field};
  const absl::StatusOr<sockaddr_un> name = UnixName(wish);
  if (!name.ok()) return name.status();
  struct stat info = {};
  if (::lstat(name->sun_path, &info) == 0) {
    return S_ISSOCK(info.st_mode) ? absl::OkStatus()
                                  : ListenError(wish, "bind", std::strerror(EADDRINUSE));
  }
  if (errno != ENOENT) return ListenError(wish, "bind", std::strerror(errno));
  const std::string path = name->sun_path;
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (::access(folder.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return ListenError(wish, "bind", std::strerror(errno));
}

absl::StatusOr<ListeningSocket::Sockets> ListeningSocket::OpenTcp(const std::string& address,
                                                                  absl::string_view field,
                                                                  int* error) {
  const Wish wish{address, field};
  Sockets sockets;
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return ListenError(wish, "address", "it has no port");
  const std::string port = address.substr(colon + 1);
  std::string host = address.substr(0, colon);
  if (absl::StartsWith(host, "[")) host = host.substr(1, host.size() - 2);
  const addrinfo hints{.ai_flags = AI_PASSIVE, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (failed != 0) return ListenError(wish, "name", ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> infos(found, ::freeaddrinfo);
  absl::Status status = ListenError(wish, "name", "it resolves to no address");
  for (addrinfo* info = found; info != nullptr; info = info->ai_next) {
    if (!sockets.empty() && port == "0") {
      SetPort(*info, static_cast<uint16_t>(PortOf(sockets.front()->descriptor())));
    }
    absl::string_view operation;
    Descriptor descriptor = BindTcp(*info, error, &operation);
    if (descriptor.get() >= 0) {
      std::string shown = absl::StrCat(address.substr(0, colon + 1), PortOf(descriptor.get()));
      sockets.push_back(std::unique_ptr<ListeningSocket>(
          new ListeningSocket(std::move(descriptor), std::move(shown), "", std::nullopt)));
      continue;
    }
    status = ListenError(wish, operation, std::strerror(*error));
    // This machine may lack some addresses of a host name. Every other error counts.
    if (*error != EADDRNOTAVAIL && *error != EAFNOSUPPORT) return status;
  }
  if (sockets.empty()) return status;
  return sockets;
}

}  // namespace walden
