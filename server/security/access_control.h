// The interface by which calls are authenticated.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/security/identity.h"

namespace grpc {
class ServerContextBase;
}

namespace walden {

// Recognises callers. Any thread may use it; must not block.
class AccessControl {
 public:
  virtual ~AccessControl() = default;

  // Finds the identity of a call by its metadata and its connection. UNAUTHENTICATED if there is
  // none.
  virtual absl::StatusOr<std::shared_ptr<const Identity>> Recognise(
      const grpc::ServerContextBase& call) const = 0;

  // Grows when identities or rights change. An identity that was recognised at another number must
  // be recognised again.
  virtual uint64_t generation() const = 0;
};

}  // namespace walden
