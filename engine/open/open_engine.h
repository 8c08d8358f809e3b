// Opens a namespace of either engine for the offline commands, without background work.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/common/directory_owner.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace walden {

struct OfflineNamespace {
  FileSystem* file_system = nullptr;  // outlives the engine
  rocksdb::Env* env = nullptr;        // null: RocksDB's own; else one on top of `file_system`
  std::string data_directory;         // exists
  NamespaceId namespace_id = 1;       // stored in every region, or in every key
};

// FAILED_PRECONDITION (INVALID_FIELD) if the RocksDB of the namespace, which no process has open,
// holds records of another id than where.namespace_id: the namespace would look empty.
absl::Status CheckNamespaceIds(const OfflineNamespace& where, const std::string& namespace_name);

// `engine` is not kNone. Errors as the engines' Open, and the error of RocksDB for a directory that
// it cannot open.
absl::StatusOr<std::unique_ptr<LogEngine>> OpenOffline(const OfflineNamespace& where,
                                                       const std::string& namespace_name,
                                                       DirectoryOwner engine,
                                                       bool caller_holds_lock);

}  // namespace walden
