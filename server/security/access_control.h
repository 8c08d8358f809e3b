// Authenticates the callers of rpcs.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/security/identity.h"

namespace grpc {
class ServerContextBase;
}

namespace walden {

// An interface, so that calls do not depend on the identities file. Any thread; must not block.
class AccessControl {
 public:
  virtual ~AccessControl() = default;

  // Finds the identity of a call by its metadata and its connection. UNAUTHENTICATED if there is
  // none.
  virtual absl::StatusOr<std::shared_ptr<const Identity>> Recognise(
      const grpc::ServerContextBase& call) const = 0;

  // Increases when identities or rights change. A caller that was authenticated under a lower
  // number must be authenticated again.
  virtual uint64_t generation() const = 0;
};

}  // namespace walden
