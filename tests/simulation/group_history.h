// A random history of groups: one region takes groups of many batches with mixed durabilities and
// large records, more at once than a watermark's reach, several of them under way at once, while calls
// fail; it is closed, killed or
// loses power, bytes of its segments are harmed, and it is opened again with the policy quarantine,
// several times over. The records of each reopened region are compared with AnsweredRecords. One
// thread; a seed decides everything.
//
// In a quarter of the histories payloads are mostly zeros: there harm to the last writes may look
// like a torn tail (FORMAT.md: What stays undetectable).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/simulation/answered_records.h"
#include "tests/simulation/checked_pipeline.h"
#include "tests/simulation/harmed_writes.h"
#include "tests/simulation/region_on_disk.h"
#include "tests/support/random.h"

namespace walden::testing {

class GroupHistory {
 public:
  // `observe` is called with every step and, if `every_operation`, every file operation.
  GroupHistory(uint64_t seed, bool every_operation,
               std::function<void(const std::string& line)> observe);

  // OK, or what was wrong.
  absl::Status Run();

 private:
  absl::Status Use();
  // Begins an operation if there are some left to begin.
  void BeginNext();
  void BeginCommit();
  absl::Status CheckCommit(const Operation& commit, SequenceNumber durable_before);
  std::vector<Batch> RandomGroup();
  void AddTables(Batch& batch);
  std::string RandomPayload();
  void BeginMark();
  void BeginSync();
  void BeginNoteDurable();
  absl::Status OpenAndCompare();
  RegionOptions Options();

  Random random_;
  RegionOnDisk region_;
  HarmedWrites harm_;
  AnsweredRecords answered_;
  const bool large_;  // groups are longer than a watermark's reach
  const uint64_t segment_bytes_;
  const bool zeros_;
  const size_t max_commits_;
  CheckedPipeline* pipeline_ = nullptr;
  uint64_t left_ = 0;  // operations to begin
  bool call_failed_ = false;
  bool is_cut_ = false;  // operations were never answered
};

}  // namespace walden::testing
