// A RocksDB environment with its files on Walden's FileSystem, so that faults of a FaultFileSystem
// happen under RocksDB. Threads and time are the operating system's, but nothing sleeps longer than
// a millisecond.
#pragma once

#include <memory>

#include "engine/io/file_system.h"
#include "rocksdb/env.h"

namespace walden::testing {

// `files` outlives it. Does not lock the directory, and drops RocksDB's info log (LOG).
std::unique_ptr<rocksdb::Env> MakeRocksdbEnv(FileSystem* files);

}  // namespace walden::testing
