#include "engine/open/open_engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/rocksdb/directory/inspect.h"
#include "engine/rocksdb/rocksdb_engine.h"
#include "engine/segment/segment_engine.h"

namespace walden {

absl::Status CheckNamespaceIds(const OfflineNamespace& where, const std::string& namespace_name) {
  const std::string directory = absl::StrCat(where.data_directory, "/", namespace_name);
  const auto inspected = rocks::InspectNamespace(where.file_system, where.env, directory);
  if (!inspected.ok()) return inspected.status();
  for (const NamespaceId id : inspected->namespace_ids) {
    if (id == where.namespace_id) continue;
    return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kInvalidField,
                     absl::StrCat(directory, " holds records of namespace id ",
                                  absl::StrJoin(inspected->namespace_ids, ", "), ", not only of ",
                                  where.namespace_id,
                                  ": only a directory of one id can be worked on, and that id must "
                                  "be given (--namespace-id)"),
                     {{"directory", directory}});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LogEngine>> OpenOffline(const OfflineNamespace& where,
                                                       const std::string& namespace_name,
                                                       DirectoryOwner engine,
                                                       bool caller_holds_lock) {
  switch (engine) {
    case DirectoryOwner::kNone:
      break;
    case DirectoryOwner::kSegment:
      return SegmentEngine::Open({.file_system = where.file_system,
                                  .clock = Clock::Real(),
                                  .data_directory = where.data_directory,
                                  .namespace_name = namespace_name,
                                  .namespace_id = where.namespace_id,
                                  .spare_segments = 0,
                                  .caller_holds_lock = caller_holds_lock});
    case DirectoryOwner::kRocksdb: {
      auto opened = RocksdbEngine::Open({.file_system = where.file_system,
                                         .clock = Clock::Real(),
                                         .env = where.env,
                                         .data_directory = where.data_directory,
                                         .namespace_name = namespace_name,
                                         .namespace_id = where.namespace_id,
                                         .caller_holds_lock = caller_holds_lock});
      if (!opened.ok()) return opened.status();
      // An engine that cannot be opened returns the error from its calls.
      const absl::Status usable = (*opened)->ListRegions().status();
      if (!usable.ok()) return usable;
      return std::unique_ptr<LogEngine>(*std::move(opened));
    }
  }
  return absl::InternalError("no engine to open");
}

}  // namespace walden
