// The state of certificates and identities, for metrics and the status page.
#pragma once

#include <atomic>
#include <cstdint>

namespace walden {

// Any thread may read.
struct SecurityState {
  std::atomic<int64_t> certificate_expiry_unix_seconds{0};  // 0: no TLS
  std::atomic<uint64_t> certificate_loads{0};               // the first one included
  std::atomic<uint64_t> certificate_refusals{0};            // loads that changed nothing: an error
  std::atomic<uint64_t> identity_loads{0};
  std::atomic<uint64_t> identity_refusals{0};
  std::atomic<uint64_t> identities{0};
};

}  // namespace walden
