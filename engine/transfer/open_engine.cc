#include "engine/transfer/open_engine.h"

#include <utility>

#include "engine/clock.h"
#include "engine/rocksdb/rocksdb_engine.h"
#include "engine/segment/segment_engine.h"

namespace walden {

absl::StatusOr<std::unique_ptr<LogEngine>> OpenOffline(const OfflineNamespace& where,
                                                       const std::string& namespace_name,
                                                       StoredEngine engine,
                                                       bool caller_holds_lock) {
  switch (engine) {
    case StoredEngine::kNone:
      break;
    case StoredEngine::kSegment:
      return SegmentEngine::Open({.file_system = where.file_system,
                                  .clock = Clock::Real(),
                                  .data_directory = where.data_directory,
                                  .namespace_name = namespace_name,
                                  .spare_segments = 0,
                                  .caller_holds_lock = caller_holds_lock});
    case StoredEngine::kRocksdb: {
      auto opened = RocksdbEngine::Open({.file_system = where.file_system,
                                         .clock = Clock::Real(),
                                         .env = where.env,
                                         .data_directory = where.data_directory,
                                         .namespace_name = namespace_name,
                                         .namespace_id = where.namespace_id,
                                         .caller_holds_lock = caller_holds_lock});
      if (!opened.ok()) return opened.status();
      // An engine that cannot be opened says so when it is asked something.
      const absl::Status usable = (*opened)->ListRegions().status();
      if (!usable.ok()) return usable;
      return std::unique_ptr<LogEngine>(*std::move(opened));
    }
  }
  return absl::InternalError("no engine to open");
}

}  // namespace walden
