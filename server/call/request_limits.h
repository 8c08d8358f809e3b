// Limits of one request.
#pragma once

#include <cstdint>

namespace walden {

struct RequestLimits {
  uint64_t max_batch_bytes = uint64_t{16} << 20;  // payload bytes of one append or put
  uint64_t max_batch_records = 65536;             // of one append or put; keys of one Get
  uint64_t max_payload_bytes = uint64_t{16} << 20;
  uint64_t max_key_bytes = 4096;  // of a row entry
};

}  // namespace walden
