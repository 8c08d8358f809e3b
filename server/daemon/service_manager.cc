#include "server/daemon/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/error.h"

namespace walden {
namespace {

// A status is one line of the datagram.
std::string StatusLine(absl::string_view status) {
  return absl::StrCat("STATUS=", absl::StrReplaceAll(status, {{"\n", " "}}));
}

absl::Status NotifyError(const std::string& socket, absl::string_view operation, int error) {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                   absl::StrCat("cannot tell the service manager at ", socket, ": ", operation,
                                ": ", std::strerror(error)),
                   {{"field", "NOTIFY_SOCKET"}, {"value", socket}});
}

}  // namespace

ServiceManager ServiceManager::FromEnvironment() {
  const char* const socket = std::getenv("NOTIFY_SOCKET");
  return ServiceManager(socket == nullptr ? "" : socket);
}

absl::Status ServiceManager::Ready(absl::string_view status) const {
  return Send(absl::StrCat("READY=1\n", StatusLine(status)));
}

absl::Status ServiceManager::Reloading() const {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t micros = int64_t{1'000'000} * now.tv_sec + now.tv_nsec / 1000;
  return Send(absl::StrCat("RELOADING=1\nMONOTONIC_USEC=", micros, "\n",
                           StatusLine("taking the configuration over")));
}

absl::Status ServiceManager::Stopping(absl::string_view status) const {
  return Send(absl::StrCat("STOPPING=1\n", StatusLine(status)));
}

absl::Status ServiceManager::Say(absl::string_view status) const {
  return Send(StatusLine(status));
}

absl::Status ServiceManager::ExtendTimeout(absl::Duration timeout, absl::string_view status) const {
  return Send(absl::StrCat("EXTEND_TIMEOUT_USEC=", absl::ToInt64Microseconds(timeout), "\n",
                           StatusLine(status)));
}

absl::Status ServiceManager::Send(const std::string& lines) const {
  if (socket_.empty()) return absl::OkStatus();
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof(name.sun_path) || (socket_[0] != '/' && socket_[0] != '@')) {
    return NotifyError(socket_, "address", EINVAL);
  }
  std::memcpy(name.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') name.sun_path[0] = '\0';  // an abstract name
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return NotifyError(socket_, "socket", errno);
  const ssize_t sent = ::sendto(descriptor, lines.data(), lines.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&name), length);
  const int error = errno;
  ::close(descriptor);
  return sent < 0 ? NotifyError(socket_, "sendto", error) : absl::OkStatus();
}

}  // namespace walden
