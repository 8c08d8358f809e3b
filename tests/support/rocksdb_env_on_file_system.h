// RocksDB's files on Walden's FileSystem, so that what goes wrong in a FaultFileSystem goes wrong
// under RocksDB. Threads and time are the operating system's, but nothing sleeps longer than a
// millisecond.
#pragma once

#include <memory>

#include "engine/io/file_system.h"
#include "rocksdb/env.h"

namespace walden::testing {

// `files` outlives it. Locking is left to whoever locks the directory; RocksDB's diary (LOG) is not
// kept.
std::unique_ptr<rocksdb::Env> MakeRocksdbEnv(FileSystem* files);

}  // namespace walden::testing
