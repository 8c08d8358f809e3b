// A socket that connections come in at.
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
  // The sockets of one address: host:port (port 0: any free one), [v6]:port or unix:/path. A host's
  // name may stand for several addresses, which then share the port. A unix socket that nobody
  // listens at any more is replaced. UNAVAILABLE (IO_ERROR) names the address and what the system
  // said; `field` is the setting that it comes from.
  static absl::StatusOr<std::vector<std::unique_ptr<ListeningSocket>>> Open(
      const std::string& address, absl::string_view field = "listen");

  // Whether Open could open the address, but for another process that has it now, which may be the
  // daemon that is to be replaced: the error that Open would return. Leaves nothing behind.
  static absl::Status Check(const std::string& address, absl::string_view field = "listen");

  // Removes a unix socket's name, unless another socket has it by now.
  ~ListeningSocket();
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  int descriptor() const { return descriptor_.get(); }
  bool is_tcp() const { return path_.empty(); }
  // As it was given, with the port that was found for port 0.
  const std::string& address() const { return address_; }

 private:
  // Which file a unix socket's name was when it was bound.
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
