// RocksDB's options for a log. docs/operators/rocksdb.md explains them for operators.
#pragma once

#include <memory>

#include "engine/rocksdb/options/tuning.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"

namespace walden::rocks {

// `env` null: RocksDB's own for the operating system.
rocksdb::Options MakeOptions(const RocksdbTuning& tuning, rocksdb::Env* env,
                             std::shared_ptr<rocksdb::EventListener> listener);

}  // namespace walden::rocks
