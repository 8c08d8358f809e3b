#include "engine/rocksdb/companion/ledger.h"

#include <memory>

#include "engine/rocksdb/companion/ledger_env.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/rocksdb_env_on_file_system.h"

namespace walden::rocks {
namespace {

using testing::FaultFileSystem;

TEST(RocksdbLedgerTest, ALogWhoseSyncFailedIsNeverTakenForDurable) {
  FaultFileSystem disk;
  ASSERT_TRUE(disk.CreateDirectory("/data").ok());
  const auto base = testing::MakeRocksdbEnv(&disk);
  auto ledger = Ledger::Begin(&disk, "/data", {.namespace_id = 1, .namespace_name = "default"});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  const auto env = MakeLedgerEnv(base.get(), "/data", ledger->get());
  std::unique_ptr<rocksdb::FSWritableFile> log;
  ASSERT_TRUE(env->GetFileSystem()->NewWritableFile("/data/000004.log", {}, &log, nullptr).ok());
  ASSERT_TRUE(log->Append("records", {}, nullptr).ok());
  ASSERT_TRUE((*ledger)->SyncLogs().ok());
  ASSERT_TRUE(log->Sync({}, nullptr).ok());
  ASSERT_TRUE(log->Append("more records", {}, nullptr).ok());
  disk.Inject({.operations = testing::file_op::kSync, .path_part = ".log"});
  EXPECT_FALSE((*ledger)->SyncLogs().ok());
  EXPECT_EQ(disk.faults_hit(), 1u);
  EXPECT_FALSE(log->Sync({}, nullptr).ok());
  EXPECT_TRUE((*ledger)->HasUnsyncedLog());
}

}  // namespace
}  // namespace walden::rocks
