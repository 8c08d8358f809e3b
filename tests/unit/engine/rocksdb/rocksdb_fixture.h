// A RocksDB namespace on a machine whose disk a test can look at and damage.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/executor.h"
#include "engine/rocksdb/rocksdb_engine.h"
#include "engine/wait.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"
#include "tests/support/rocksdb_env_on_file_system.h"

namespace walden {

class RocksdbTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.CreateDirectory("/data").ok());
    ASSERT_TRUE(disk_.SyncDirectory("/").ok());
    OpenEngine();
  }
  void TearDown() override { Stop(); }

  void Stop() {
    log_.reset();
    engine_.reset();
  }

  void OpenEngine() {
    const absl::Status opened = TryOpenEngine();
    ASSERT_TRUE(opened.ok()) << opened;
  }

  absl::Status TryOpenEngine() {
    Stop();
    env_ = MakeEnv();
    auto engine = RocksdbEngine::Open({.file_system = &disk_,
                                       .clock = clock_,
                                       .wall_clock = wall_clock_,
                                       .background = background_,
                                       .env = env_.get(),
                                       .data_directory = "/data",
                                       .namespace_name = "default",
                                       .namespace_id = namespace_id_,
                                       .tuning = {.write_buffer_bytes = write_buffer_bytes_,
                                                  .max_total_wal_bytes = 256 << 10,
                                                  .block_cache_bytes = 64 << 10,
                                                  .reclaim_bytes = 64 << 10,
                                                  .reserve_bytes = 64 << 10},
                                       .quotas = quotas_});
    if (engine.ok()) engine_ = *std::move(engine);
    return engine.status();
  }

  virtual std::unique_ptr<rocksdb::Env> MakeEnv() { return testing::MakeRocksdbEnv(&disk_); }

  absl::StatusOr<std::unique_ptr<RegionLog>> OpenRegion(RegionId region, bool create = true) {
    return OpenRegionAndWait(*engine_, region, RegionOptions(), create);
  }

  absl::Status Open(RegionId region = 1) {
    auto log = OpenRegion(region);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }

  // From now on nothing syncs BUFFERED appends but a SYNC one.
  void ReopenWithoutBufferedSyncs() {
    log_.reset();
    RegionOptions options;
    options.buffered_sync_every_writes = 1'000'000;
    auto log = OpenRegionAndWait(*engine_, 1, options, /*create=*/false);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  testing::BatchResult Append(TableId table, const std::string& payload, RegionLog* log = nullptr) {
    testing::BatchResult result =
        testing::CommitOne(log == nullptr ? *log_ : *log, {.table = table, .payloads = {payload}});
    EXPECT_TRUE(result.status.ok()) << result.status;
    return result;
  }

  // RocksDB's threads write table files and remove obsolete ones in their own time.
  static bool Eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 3000; ++i) {
      if (holds()) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }

  // Names of files in the namespace's directory that end like this.
  std::vector<std::string> Files(absl::string_view ending) {
    std::vector<std::string> found;
    for (const std::string& path : disk_.FilesBelow("/data/default")) {
      if (absl::EndsWith(path, ending)) found.push_back(path);
    }
    return found;
  }
  uint64_t BytesOf(absl::string_view ending) {
    uint64_t bytes = 0;
    // RocksDB may remove one meanwhile.
    for (const std::string& path : Files(ending)) bytes += disk_.FileSize(path).value_or(0);
    return bytes;
  }

  uint64_t write_buffer_bytes_ = 64 << 10;
  NamespaceId namespace_id_ = 1;
  Clock* clock_ = Clock::Real();
  const WallClock* wall_clock_ = WallClock::Real();
  Executor* background_ = nullptr;
  DiskQuotas* quotas_ = nullptr;
  testing::FaultFileSystem disk_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<RocksdbEngine> engine_;
  std::unique_ptr<RegionLog> log_;
};

}  // namespace walden
