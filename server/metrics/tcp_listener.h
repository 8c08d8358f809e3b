// Sockets that the metrics port listens on.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace walden {

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return value_; }
  int Release();

 private:
  int value_;
};

struct TcpListener {
  Descriptor socket;    // does not block
  std::string address;  // as it was asked for, with the port that was found for port 0
};

// Listens on "host:port" or "[v6]:port": on every address that the host's name has, if it is one.
// An error names the address and what the system said.
absl::StatusOr<std::vector<TcpListener>> ListenTcp(const std::string& address);

}  // namespace walden
