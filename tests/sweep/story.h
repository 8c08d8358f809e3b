// A machine with two namespaces of one engine, of which every record is known.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "engine/common/directory_owner.h"
#include "engine/log_engine.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/log_verbs.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace walden::sweep {

// How the daemon went down.
enum class Ending : uint8_t {
  kClosed,  // every region closed
  kIdle,    // killed, after the log was idle for a while
  kKilled,  // killed right after its last append
};
inline constexpr Ending kEndings[] = {Ending::kClosed, Ending::kIdle, Ending::kKilled};
const char* EndingName(Ending ending);

struct ExpectedTable {
  std::vector<testing::StoredRecord> live;
  std::vector<uint64_t> appends;  // of each record: which append of its region it came with
  std::vector<int64_t> times;     // of each record: when it was appended, in Unix microseconds
  SequenceNumber mark = 0;
  uint64_t append_after_mark = 0;
  SequenceNumber highest = 0;  // ever answered
};

// A batch that a producer sent, and its answer.
struct SentBatch {
  testing::Batch batch;
  testing::BatchResult answer;
  uint64_t append = 0;  // the region's, or the next one if the batch passes over its number
};

struct ExpectedRegion {
  std::string space;
  RegionId id = 0;
  uint64_t appends = 0;
  std::map<TableId, ExpectedTable> tables;
  std::vector<SentBatch> sent;  // in the order of their numbers

  std::string directory() const { return "/data/" + space + "/" + std::to_string(id); }
  void Append(const testing::Batch& batch, const testing::BatchResult& answer, int64_t unix_micros);
};

// Payload bytes of each region's last append.
inline constexpr uint64_t kLastAppendBytes = 600;

struct Story {
  std::unique_ptr<testing::FaultFileSystem> disk;
  std::unique_ptr<testing::FaultFileSystem> older;  // the same machine, some time before
  std::vector<ExpectedRegion> regions;              // ordered by namespace
};

inline constexpr const char* kSpaces[] = {"alpha", "beta"};

// An engine of one namespace, and what it stands on.
class OpenedSpace {
 public:
  static absl::StatusOr<std::unique_ptr<OpenedSpace>> Open(testing::FaultFileSystem& disk,
                                                           DirectoryOwner engine,
                                                           const std::string& space,
                                                           const WallClock* wall_clock);
  LogEngine& engine() { return *engine_; }

 private:
  std::unique_ptr<LogEngine> engine_;
};

RegionOptions OptionsWith(RecoveryPolicy policy);

// The test program ends if anything in it fails.
Story Tell(DirectoryOwner engine, Ending ending);

}  // namespace walden::sweep
