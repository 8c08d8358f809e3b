// The engines that the conformance suite holds to engine/log_engine.h. A new engine adds one entry
// in engine_under_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"

namespace walden::testing {

struct EngineUnderTest {
  std::string name;

  // Opens the engine of one namespace in `directory`, whose parent exists.
  std::function<absl::StatusOr<std::unique_ptr<LogEngine>>(FileSystem* files,
                                                           const std::string& directory)>
      open;

  // Engines with segments: the payload bytes that fill an empty segment of `segment_bytes` exactly
  // as one batch of one record. Null for engines without.
  std::function<uint64_t(uint64_t segment_bytes)> payload_that_fills_segment;
};

const std::vector<EngineUnderTest>& EnginesUnderTest();

}  // namespace walden::testing
