#include "tests/conformance/engine_under_test.h"

#include "base/thread_pool.h"
#include "engine/segment/format.h"
#include "engine/segment/segment_engine.h"
#include "tests/support/memory_engine/memory_engine.h"
#include "tests/support/rocksdb_on_files.h"

namespace walden::testing {
const std::vector<EngineUnderTest>& EnginesUnderTest() {
  static const auto* engines = new std::vector<EngineUnderTest>{
      {"segment",
       [](const EngineGround& ground, const std::string& directory,
          const WallClock* wall_clock) -> absl::StatusOr<std::unique_ptr<LogEngine>> {
         const size_t slash = directory.rfind('/');
         SegmentEngineOptions options;
         options.file_system = ground.files;
         options.clock = Clock::Real();
         options.wall_clock = wall_clock;
         options.data_directory = directory.substr(0, slash);
         options.namespace_name = directory.substr(slash + 1);
         return SegmentEngine::Open(options);
       },
       /*keeps_files=*/true,
       /*opening_owns=*/true,
       /*finishes_by_itself=*/false,
       /*finds_damage_when_a_region_opens=*/true,
       /*serves_around_damage=*/true,
       /*regions_have_own_files=*/true,
       /*numbers_end_with_their_region=*/true,
       /*record_overhead=*/segment::kMinRecordBytes},
      {"rocksdb",
       [](const EngineGround& ground, const std::string& directory, const WallClock* wall_clock) {
         return OpenRocksdbWith(ground.files, directory, {.wall_clock = wall_clock});
       },
       /*keeps_files=*/true,
       /*opening_owns=*/true,
       /*finishes_by_itself=*/false,
       /*finds_damage_when_a_region_opens=*/false,
       /*serves_around_damage=*/false,
       /*regions_have_own_files=*/false,
       /*numbers_end_with_their_region=*/false,
       /*record_overhead=*/std::nullopt},
      {"memory",
       [](const EngineGround& ground, const std::string& /*directory*/,
          const WallClock* wall_clock) -> absl::StatusOr<std::unique_ptr<LogEngine>> {
         return MemoryEngine::Open(
             {.store = ground.store, .in_lent_threads = true, .wall_clock = wall_clock});
       },
       /*keeps_files=*/false,
       /*opening_owns=*/true,
       /*finishes_by_itself=*/false,
       /*finds_damage_when_a_region_opens=*/false,
       /*serves_around_damage=*/false,
       /*regions_have_own_files=*/false,
       /*numbers_end_with_their_region=*/true,
       /*record_overhead=*/std::nullopt},
      {"shared",
       [](const EngineGround& ground, const std::string& /*directory*/,
          const WallClock* wall_clock) -> absl::StatusOr<std::unique_ptr<LogEngine>> {
         static auto* const threads = new ThreadPool("shared", 2);
         return MemoryEngine::Open({.store = ground.store,
                                    .identity = ground.node,
                                    .address = ground.node + ":1",
                                    .owns_by_opening = false,
                                    .executor = threads,
                                    .wall_clock = wall_clock});
       },
       /*keeps_files=*/false,
       /*opening_owns=*/false,
       /*finishes_by_itself=*/true,
       /*finds_damage_when_a_region_opens=*/false,
       /*serves_around_damage=*/false,
       /*regions_have_own_files=*/false,
       /*numbers_end_with_their_region=*/true,
       /*record_overhead=*/std::nullopt},
  };
  return *engines;
}

}  // namespace walden::testing
