// The environment that RocksDB runs in: a base environment whose file operations keep a Ledger, and
// whose logs and manifests take no more bytes after a failed write or sync.
#pragma once

#include <memory>
#include <string>

#include "engine/rocksdb/companion/ledger.h"
#include "rocksdb/env.h"

namespace walden::rocks {

// `base` and `ledger` outlive it. Only files directly in `directory` are watched. `base` null:
// RocksDB's own environment.
std::unique_ptr<rocksdb::Env> MakeLedgerEnv(rocksdb::Env* base, std::string directory,
                                            Ledger* ledger);

}  // namespace walden::rocks
