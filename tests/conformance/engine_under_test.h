// The engines that the conformance suite holds to engine/log_engine.h. A new engine adds one entry
// in engine_under_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "tests/support/memory_engine/memory_store.h"

namespace walden::testing {

// The medium that an engine is opened on. It uses one of the two.
struct EngineGround {
  // NOLINTNEXTLINE(google-explicit-constructor): most are only files
  EngineGround(FileSystem* on_files) : files(on_files) {}
  EngineGround(FileSystem* on_files, std::shared_ptr<MemoryStore> on_store)
      : files(on_files), store(std::move(on_store)) {}

  FileSystem* files;
  std::shared_ptr<MemoryStore> store;
  std::string node = "a";  // of engines of which several are open on one ground
};

struct EngineUnderTest {
  std::string name;

  std::function<absl::StatusOr<std::unique_ptr<LogEngine>>(
      const EngineGround& ground, const std::string& directory, const WallClock* wall_clock)>
      open_with_clock;

  // Opens the engine of one namespace in `directory`, whose parent exists.
  absl::StatusOr<std::unique_ptr<LogEngine>> open(
      const EngineGround& ground, const std::string& directory,
      const WallClock* wall_clock = WallClock::Real()) const {
    return open_with_clock(ground, directory, wall_clock);
  }

  // Whether it keeps its logs in files. Otherwise it has a store of its own, which can crash and
  // does neither fill up, nor fail, nor rot.
  bool keeps_files = true;

  // Whether opening a region is owning it, so that no other engine is open on the same ground.
  bool opening_owns = true;

  // Whether operations end without RegionLog::Work.
  bool finishes_by_itself = false;

  // Whether opening a region of an open engine finds damage on the disk. Otherwise opening the
  // engine finds it, and the damage is that of all its regions.
  bool finds_damage_when_a_region_opens = true;

  // Whether RecoveryPolicy::kQuarantine opens a damaged region and serves the rest. Otherwise the
  // region is refused as with kRefuse.
  bool serves_around_damage = true;

  // Whether each region has files of its own, from which every read reads. Otherwise regions share
  // files and fail together, and recent records are in memory.
  bool regions_have_own_files = true;

  // Whether the numbers of a dropped region's tables are used again.
  bool numbers_end_with_their_region = true;

  // For engines with segments: bytes that a record takes besides its payload, of the room that
  // LIMIT_EXCEEDED names. nullopt for engines without segments.
  std::optional<uint64_t> record_overhead;
};

const std::vector<EngineUnderTest>& EnginesUnderTest();

}  // namespace walden::testing
