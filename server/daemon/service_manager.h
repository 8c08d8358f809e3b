// Reports the daemon's state to the service manager that started it, with the datagrams that the
// page sd_notify(3) describes for programs without its library. Without NOTIFY_SOCKET nothing is
// sent.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace walden {

// Any thread.
class ServiceManager {
 public:
  // `socket` is the value of NOTIFY_SOCKET: a path, or an abstract name that begins with "@".
  // Empty: no service manager listens.
  explicit ServiceManager(std::string socket) : socket_(std::move(socket)) {}

  // The service manager that the process's environment names.
  static ServiceManager FromEnvironment();

  // Errors name the message that could not be sent, and the cause. The daemon can ignore them.
  absl::Status Ready(absl::string_view status) const;
  absl::Status Reloading() const;
  absl::Status Stopping(absl::string_view status) const;
  absl::Status Say(absl::string_view status) const;  // for people
  // Asks for this much time from now, because starting or stopping takes longer.
  absl::Status ExtendTimeout(absl::Duration timeout, absl::string_view status) const;

 private:
  absl::Status Send(const std::string& lines) const;

  std::string socket_;
};

}  // namespace walden
