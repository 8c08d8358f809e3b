// The ceiling of everything that goes through gRPC: a server of the same API that does nothing.
//
// It uses the ordinary generated callback API, answers Append and AppendStream with constant
// numbers and streams the same prebuilt message again and again for Read.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace walden::bench {

struct NullServerOptions {
  std::string address;
  // Not empty: Append is answered only after one pwrite and one fdatasync of the bytes that a log
  // has to store (payloads and record headers), into this file, whose blocks were written before.
  std::string sync_file;
  // What Read streams.
  uint64_t read_records_per_message = 256;
  uint64_t read_payload_bytes = 1024;
};

// Serves until the process is killed; returns only if it cannot start.
absl::Status RunNullServer(const NullServerOptions& options);

}  // namespace walden::bench
