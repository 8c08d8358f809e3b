// A machine with one entry table on it, and the verbs of its clients. Runs in one thread: pages are
// loaded when a verb waits for them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/entry/entry_cursor.h"
#include "engine/entry/region_entry_tables.h"
#include "engine/segment/segment_engine.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden::testing {

// An entry as a client sees it.
struct TestEntry {
  std::string key;
  std::optional<std::string> value;  // none: a tombstone
  std::optional<int64_t> expires_unix_ms = std::nullopt;
  SequenceNumber sequence = 0;

  bool operator==(const TestEntry& other) const {
    return key == other.key && value == other.value && sequence == other.sequence &&
           expires_unix_ms == other.expires_unix_ms;
  }
};
std::ostream& operator<<(std::ostream& out, const TestEntry& entry);

struct TestFlush {
  SequenceNumber id = 0;  // 0: nothing to flush
  std::vector<TestEntry> entries;
};

// A flush whose stream is read step by step.
struct OpenFlush {
  SequenceNumber id = 0;
  std::unique_ptr<entry::EntryCursor> cursor;
  uint64_t expected_entries = 0;
};

class EntryStore {
 public:
  static constexpr TableId kTable = 3;
  static constexpr RegionId kRegion = 7;

  explicit EntryStore(uint64_t seed = 1);
  ~EntryStore();

  FaultFileSystem& disk() { return disk_; }
  RegionLog& log() { return *log_; }
  entry::RegionEntryTables& tables() { return *tables_; }
  entry::EntryMemory& memory() { return *memory_; }
  ManualExecutor& loader() { return loader_; }
  int64_t now_unix_ms = 1'000'000;

  // For tables opened from now on.
  void SetLimits(const entry::EntryMemoryLimits& limits) { limits_ = limits; }

  absl::Status Open();
  void Restart();  // closes and opens; throws if that fails
  // As after a crash: what was open is dropped, the machine is up again. Does not open.
  void Drop();

  // --- What clients do. ---

  BatchResult TryPut(const std::vector<TestEntry>& entries,
                     Durability durability = Durability::kSync);
  BatchResult TryPut(Batch batch);  // payloads are set by the caller
  BatchResult Put(const std::string& key, const std::string& value);
  BatchResult Delete(const std::string& key);

  absl::StatusOr<std::optional<TestEntry>> TryGet(const std::string& key);
  std::string Get(const std::string& key);  // "(none)" if it is not there

  absl::StatusOr<std::vector<TestEntry>> TryScan(const std::string& first,
                                                 std::optional<std::string> end = std::nullopt,
                                                 const ReadLimits& step = {});

  absl::StatusOr<OpenFlush> BeginFlush();
  absl::StatusOr<TestFlush> FinishFlush(OpenFlush flush, const ReadLimits& step = {});
  absl::StatusOr<TestFlush> TryFlush(const ReadLimits& step = {});
  TestFlush Flush();

  absl::Status TryFinalize(SequenceNumber flush);

  // The table when its pages are loaded; null if it was never written.
  absl::StatusOr<std::shared_ptr<entry::EntryTable>> Ready();

  // What Put encodes.
  static std::string Payload(const TestEntry& entry);

 private:
  BatchResult Commit(AppendBatch& batch);

  FaultFileSystem disk_;
  entry::EntryMemoryLimits limits_;
  ManualExecutor loader_;
  std::unique_ptr<LogEngine> engine_;
  std::shared_ptr<RegionLog> log_;
  std::unique_ptr<entry::EntryMemory> memory_;
  std::unique_ptr<entry::RegionEntryTables> tables_;
};

}  // namespace walden::testing
