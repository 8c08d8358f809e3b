// Limits of one request.
#pragma once

#include <cstdint>

namespace walden {

struct RequestLimits {
  uint64_t max_batch_bytes = uint64_t{16} << 20;  // payload bytes of one append or put
  uint64_t max_batch_records = 65536;             // of one append or put; keys of one Get
  uint64_t max_payload_bytes = uint64_t{16} << 20;
  uint64_t max_key_bytes = 4096;               // of a row entry
  uint64_t max_message_bytes = 0;              // of a request, as gRPC takes it
  uint64_t max_parsed_bytes = 0;               // of a request with records, see parsed_size.h
  uint64_t max_stream_message_batches = 1024;  // appends or puts in one message of a stream
  uint64_t max_marks = 10'000;                 // of one MarkDeleted
};

}  // namespace walden
