// The engines that the conformance suite holds to engine/log_engine.h. A new engine adds one entry
// in engine_under_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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

  // Whether damage on the disk is found when a region of an open engine is opened; otherwise when
  // the engine is, and then it is the damage of all its regions.
  bool finds_damage_when_a_region_opens = true;

  // Whether RecoveryPolicy::kQuarantine opens a damaged region and serves the rest; else it is
  // refused as with kRefuse.
  bool serves_around_damage = true;

  // Whether each region has files of its own, which are read from whenever it is read; else regions
  // share files and fates, and what was written lately is in memory.
  bool regions_have_own_files = true;

  // Whether the numbers of a dropped region's tables are used again.
  bool numbers_end_with_their_region = true;

  // Engines with segments: what a record takes beside its payload, of the room that LIMIT_EXCEEDED
  // names. Nullopt for engines without.
  std::optional<uint64_t> record_overhead;
};

const std::vector<EngineUnderTest>& EnginesUnderTest();

}  // namespace walden::testing
