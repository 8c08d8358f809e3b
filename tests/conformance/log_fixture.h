// The fixture of the conformance suite: a machine with one engine on it, and a ledger of everything
// that was appended and marked deleted, to compare the log with.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/log_engine.h"
#include "gtest/gtest.h"
#include "tests/conformance/engine_under_test.h"
#include "tests/conformance/machine.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

enum class Medium {
  kFaultFiles,
  kRealFiles,
  kStore,  // of an engine that keeps no files
};

// The size of payloads, and so how often a batch begins a new segment.
enum class Load { kSmall, kLarge };

struct Setting {
  const EngineUnderTest* engine = nullptr;
  Medium medium = Medium::kFaultFiles;
  Load load = Load::kSmall;
  size_t pipeline = 0;  // commits that may be under way; 0: as many as by default
};

std::ostream& operator<<(std::ostream& out, const Setting& setting);
std::string SettingName(const ::testing::TestParamInfo<Setting>& info);
std::vector<Setting> AllSettings();        // every engine, medium and load
std::vector<Setting> CrashSettings();      // those that can crash
std::vector<Setting> FaultFileSettings();  // those whose disk can also fail, fill up and rot
std::vector<Setting> ThreadSettings();     // those that several threads may use
// Each with a pipeline of 1, 2 and 8 commits.
std::vector<Setting> PipelineSettings(const std::vector<Setting>& settings);
// The settings of engines with a property that a test needs.
std::vector<Setting> SettingsWith(std::vector<Setting> settings,
                                  const std::function<bool(const EngineUnderTest&)>& wanted);

// The records that a region should hold, according to its answers.
class Ledger {
 public:
  void Appended(TableId table, const BatchResult& result, const std::vector<std::string>& payloads);
  void Appended(const Batch& batch, const BatchResult& result);  // all its tables
  void MarkedDeleted(TableId table, SequenceNumber mark);

  std::vector<StoredRecord> Live(TableId table) const;
  std::vector<TableId> Tables() const;
  SequenceNumber Next(TableId table) const;
  SequenceNumber Mark(TableId table) const;

 private:
  struct Table {
    std::vector<StoredRecord> records;
    SequenceNumber next = 1;
    SequenceNumber mark = 0;
  };
  std::map<TableId, Table> tables_;
};

class LogTest : public ::testing::TestWithParam<Setting> {
 protected:
  static constexpr RegionId kRegion = 7;

  LogTest();
  ~LogTest() override;

  void SetUp() override;
  void TearDown() override;

  // --- The machine ---

  Machine& machine() { return *machine_; }               // not on kRealFiles
  FaultFileSystem& disk() { return machine_->files(); }  // only on kFaultFiles
  FileSystem& files() { return *files_; }
  const std::string& directory() const { return directory_; }  // the engine's
  std::vector<std::string> FilesOnDisk();

  // What the engine is to use in place of these files.
  virtual FileSystem* Over(FileSystem* files) { return files; }

  // --- The engine. A call that must succeed and fails ends the test. ---

  LogEngine& engine() { return *engine_; }
  absl::StatusOr<std::unique_ptr<LogEngine>> TryOpenEngine(const std::string& node = "a");
  void OpenEngine();
  void StopEngine();  // as after a crash for regions that were not closed
  RegionOptions options() const { return options_; }
  void set_recovery_policy(RecoveryPolicy policy) { options_.recovery_policy = policy; }
  void set_segment_size(uint64_t bytes) { options_.segment_size_bytes = bytes; }
  // For engines that are opened from now on. The clock outlives them.
  void set_wall_clock(const WallClock* wall_clock) { wall_clock_ = wall_clock; }
  void set_buffered_sync_every_writes(uint32_t writes) {
    options_.buffered_sync_every_writes = writes;
  }

  // --- The region `kRegion` ---

  RegionLog& log() { return *log_; }
  Ledger& ledger() { return ledger_; }
  void OpenLog();
  absl::Status TryOpenLog();
  // After a failed sync the cache may lose bytes while a region is being opened; an engine may
  // answer that with an I/O error once.
  void OpenLogAfterFailedSync();
  void CloseLog();
  void ReopenLog();       // Close, OpenRegion
  void RestartEngine();   // Close, engine gone and opened again, OpenRegion
  void CrashAndReopen();  // after a crash: engine gone, machine up again, OpenRegion

  // The n-th payload of a test, of the load's size.
  std::string Payload(uint64_t n) const;
  std::vector<std::string> Payloads(size_t count);  // new ones at each call

  // Appends new payloads; must be accepted.
  BatchResult Append(TableId table, size_t count, Durability durability = Durability::kSync);
  // Appends a batch and notes it in the ledger if it is accepted.
  BatchResult Try(const Batch& batch);
  SequenceNumber MarkDeleted(TableId table, SequenceNumber through);
  uint64_t OpenProducer();

  // Compares every table with the ledger, by every way to read it.
  void ExpectLogHoldsLedger();
  void ExpectLogHoldsLedger(RegionLog& log, const Ledger& ledger);

 private:
  std::unique_ptr<Machine> machine_;
  FileSystem* files_ = nullptr;
  std::string root_;
  std::string directory_;
  RegionOptions options_;
  const WallClock* wall_clock_ = WallClock::Real();
  std::unique_ptr<LogEngine> engine_;
  std::unique_ptr<RegionLog> log_;
  Ledger ledger_;
  uint64_t payloads_made_ = 0;
};

// Tests that crash, fill or damage the disk.
class LogFaultTest : public LogTest {};

}  // namespace walden::testing

#define EXPECT_ERROR(status_expression, expected_code, expected_reason)                           \
  do {                                                                                            \
    const absl::Status status_under_test = (status_expression);                                   \
    EXPECT_EQ(status_under_test.code(), absl::StatusCode::expected_code) << status_under_test;    \
    EXPECT_TRUE(HasReason(status_under_test, ErrorReason::expected_reason)) << status_under_test; \
  } while (false)

#define ASSERT_STATUS_OK(expression)             \
  do {                                           \
    const absl::Status status_ok = (expression); \
    ASSERT_TRUE(status_ok.ok()) << status_ok;    \
  } while (false)
