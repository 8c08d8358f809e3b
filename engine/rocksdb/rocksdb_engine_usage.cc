// Figures that RocksDB reports about itself.
#include "engine/usage.h"

#include "engine/rocksdb/namespace_state.h"
#include "engine/rocksdb/rocksdb_engine.h"
#include "rocksdb/db.h"
#include "rocksdb/transaction_log.h"

namespace walden {
namespace {

using Properties = rocksdb::DB::Properties;

// A property of RocksDB; 0 if it does not know the value.
uint64_t Property(rocksdb::DB& db, const std::string& name) {
  uint64_t value = 0;
  return db.GetIntProperty(name, &value) ? value : 0;
}

uint64_t LogBytes(rocksdb::DB& db) {
  rocksdb::VectorLogPtr files;
  // A log that is removed meanwhile makes the call fail; the next call of Usage has the figure
  // again.
  if (!db.GetSortedWalFiles(files).ok()) return 0;
  uint64_t bytes = 0;
  for (const auto& file : files) bytes += file->SizeFileBytes();
  return bytes;
}

}  // namespace

EngineUsage RocksdbEngine::Usage() const {
  EngineUsage usage;
  space_->database.TryWith([&](rocksdb::DB& db) {
    usage.rocksdb = RocksdbUsage{
        .memtable_bytes = Property(db, Properties::kSizeAllMemTables),
        .table_file_bytes = Property(db, Properties::kTotalSstFilesSize),
        .live_table_file_bytes = Property(db, Properties::kLiveSstFilesSize),
        .wal_bytes = LogBytes(db),
        .pending_compaction_bytes = Property(db, Properties::kEstimatePendingCompactionBytes),
        .running_compactions = Property(db, Properties::kNumRunningCompactions),
        .running_flushes = Property(db, Properties::kNumRunningFlushes),
        .background_errors = Property(db, Properties::kBackgroundErrors),
        .block_cache_bytes = Property(db, Properties::kBlockCacheUsage),
        .block_cache_limit_bytes = Property(db, Properties::kBlockCacheCapacity),
        .waiting_reclaim_bytes = space_->reclaimer.waiting_bytes()};
  });
  return usage;
}

}  // namespace walden
