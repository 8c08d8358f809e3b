// The parts of the daemon that streams of records use.
#pragma once

#include <cstdint>
#include <memory>

#include "base/executor.h"
#include "server/call/call_admission.h"
#include "server/limits/reader_budget.h"
#include "server/region/followers.h"
#include "server/region/region_registry.h"

namespace walden {

inline constexpr uint64_t kDefaultReadChunkBytes = uint64_t{256} << 10;

// All outlive every call and may be used by any thread.
struct ReadEnvironment {
  CallAdmission admission;
  RegionRegistry& registry;
  std::shared_ptr<ReaderBudget> budget;  // shared with chunks, which gRPC may hold for longer
  Followers& followers;
  Executor& readers;                              // its threads never wait for a writer
  uint64_t chunk_bytes = kDefaultReadChunkBytes;  // payload bytes of one message, at most
};

}  // namespace walden
