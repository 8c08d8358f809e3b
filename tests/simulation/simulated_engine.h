// The engines that histories run on.
#pragma once

namespace walden::testing {

enum class SimulatedEngine {
  kSegment,
  // RocksDB has threads of its own, so that a seed does not replay every time; and a failed write
  // concerns all regions. So no calls fail and no disk fills up, and damage is left to tests/sweep.
  kRocksdb,
};

}  // namespace walden::testing
