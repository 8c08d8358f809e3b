// A socket that connections come in at.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/connections/descriptor.h"

namespace walden {

// One thread at a time.
class ListeningSocket {
 public:
  // The sockets of one address: host:port (port 0: any free one), [v6]:port or unix:/path. A host's
  // name may stand for several addresses, which then share the port. A unix socket that nobody
  // listens at any more is replaced. UNAVAILABLE (IO_ERROR) names the address and what the system
  // said; `field` is the setting that it comes from.
  static absl::StatusOr<std::vector<std::unique_ptr<ListeningSocket>>> Open(
      const std::string& address, absl::string_view field = "listen");

  ~ListeningSocket();  // a unix socket's name goes with it
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  int descriptor() const { return descriptor_.get(); }
  bool is_tcp() const { return path_.empty(); }
  // As it was given, with the port that was found for port 0.
  const std::string& address() const { return address_; }

 private:
  ListeningSocket(Descriptor descriptor, std::string address, std::string path)
      : descriptor_(std::move(descriptor)), address_(std::move(address)), path_(std::move(path)) {}

  static absl::StatusOr<std::unique_ptr<ListeningSocket>> OpenUnix(const std::string& address,
                                                                   absl::string_view field);

  const Descriptor descriptor_;
  const std::string address_;
  const std::string path_;  // of a unix socket
};

}  // namespace walden
