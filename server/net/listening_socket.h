// A listening socket: TCP or unix.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/net/descriptor.h"

namespace walden {

// One thread at a time.
class ListeningSocket {
 public:
  // Opens the sockets of one address: host:port (port 0: any free one), [v6]:port or unix:/path. A
  // host name may resolve to several addresses, which then share the port. Replaces a unix socket
  // on which no process listens any more. UNAVAILABLE (IO_ERROR) names the address and the error of
  // the system. `field` is the setting that the address comes from.
  static absl::StatusOr<std::vector<std::unique_ptr<ListeningSocket>>> Open(
      const std::string& address, absl::string_view field = "listen");

  // Returns the error that Open would return, and leaves no socket behind. An address that another
  // process uses is OK: it may be the daemon that is to be replaced.
  static absl::Status Check(const std::string& address, absl::string_view field = "listen");

  // Removes the file of a unix socket, unless it is another socket's by now.
  ~ListeningSocket();
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  int descriptor() const { return descriptor_.get(); }
  bool is_tcp() const { return path_.empty(); }
  // The address that was given, with the port that was chosen for port 0.
  const std::string& address() const { return address_; }

 private:
  // Identifies the file of a unix socket as it was bound.
  struct FileIdentity {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const FileIdentity&) const = default;
  };

  ListeningSocket(Descriptor descriptor, std::string address, std::string path,
                  std::optional<FileIdentity> file)
      : descriptor_(std::move(descriptor)),
        address_(std::move(address)),
        path_(std::move(path)),
        file_(file) {}

  static std::optional<FileIdentity> IdentityOf(const std::string& path);

  using Sockets = std::vector<std::unique_ptr<ListeningSocket>>;

  static absl::StatusOr<std::unique_ptr<ListeningSocket>> OpenUnix(const std::string& address,
                                                                   absl::string_view field);
  // `error` is the errno of an address that could not be taken, otherwise 0.
  static absl::StatusOr<Sockets> OpenTcp(const std::string& address, absl::string_view field,
                                         int* error);

  const Descriptor descriptor_;
  const std::string address_;
  const std::string path_;  // of a unix socket
  const std::optional<FileIdentity> file_;
};

}  // namespace walden
