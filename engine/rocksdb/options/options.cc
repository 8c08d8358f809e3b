#include "engine/rocksdb/options/options.h"

#include <memory>
#include <utility>

#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/table.h"

namespace walden::rocks {
namespace {

// Drops RocksDB's info log: its writer aborts the process when the disk is full. Errors are
// returned as a status anyway.
class NoDiary final : public rocksdb::Logger {
 public:
  NoDiary() : Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

rocksdb::Options MakeOptions(const RocksdbTuning& tuning, rocksdb::Env* env,
                             std::shared_ptr<rocksdb::EventListener> listener) {
  rocksdb::Options options;
  if (env != nullptr) options.env = env;
  options.create_if_missing = false;
  if (listener != nullptr) options.listeners = {std::move(listener)};

  // Damage is found early and never passed over. wal_repair.h cuts torn tails before RocksDB sees
  // them, so RocksDB need not tolerate any.
  options.paranoid_checks = true;
  options.force_consistency_checks = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kAbsoluteConsistency;
  options.track_and_verify_wals_in_manifest = true;
  options.recycle_log_file_num = 0;

  // RocksDB does not resume by itself after an error: the engine judges a failed write.
  options.max_bgerror_resume_count = 0;

  // Writing.
  options.write_buffer_size = tuning.write_buffer_bytes;
  options.max_write_buffer_number = 4;
  options.max_total_wal_size = tuning.max_total_wal_bytes;
  options.manual_wal_flush = false;
  options.enable_pipelined_write = false;
  options.allow_concurrent_memtable_write = true;
  options.bytes_per_sync = 1 << 20;

  // Reading and compacting. A log's tables grow at one end and are deleted from the other. No key
  // is overwritten, so a compaction only removes deleted records.
  options.compression = rocksdb::kNoCompression;
  options.target_file_size_base = tuning.write_buffer_bytes;
  options.level0_file_num_compaction_trigger = 8;
  options.level0_slowdown_writes_trigger = 40;
  options.level0_stop_writes_trigger = 60;
  options.max_bytes_for_level_base = 8 * tuning.write_buffer_bytes;
  options.max_background_jobs = 2;
  options.max_open_files = 512;
  options.skip_stats_update_on_db_open = true;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(tuning.block_cache_bytes);
  table.block_size = 32 << 10;
  table.format_version = 5;
  table.verify_compression = false;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  // Obsolete files are removed at once.
  options.delete_obsolete_files_period_micros = 0;
  options.max_manifest_file_size = 4 << 20;
  options.info_log = std::make_shared<NoDiary>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

}  // namespace walden::rocks
