// A random history of producers on either engine: a few of them send groups of up to 200 batches to one region, more
// than the window that it remembers of each, SYNC or BUFFERED, often the next ones before the last ones are
// answered; segments are small, and go when
// their records are marked deleted; the metadata is filled by region versions until it is replaced,
// also in the middle of a group; calls fail. In a few histories there are more producers than a region
// remembers, and the least recently active ones are forgotten. The region is closed, killed or loses power, is opened
// again, and every batch of every window is retried, several times over. The answers are compared
// with AnsweredBatches. One thread; a seed decides everything.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/simulation/answered_batches.h"
#include "tests/simulation/checked_pipeline.h"
#include "tests/simulation/region_on_disk.h"
#include "tests/support/random.h"

namespace walden::testing {

class ProducerHistory {
 public:
  // `observe` is called with every step and, if `every_operation`, every file operation.
  ProducerHistory(uint64_t seed, SimulatedEngine engine, bool every_operation,
                  std::function<void(const std::string& line)> observe);

  // OK, or what was wrong.
  absl::Status Run();

 private:
  absl::Status OpenProducers();
  absl::Status Use();
  // Begin operations, in Use.
  void BeginNext();
  void Begin(Operation operation, CheckedPipeline::Check check);
  void BeginOpenProducer();
  void BeginCommitOfMany();
  // Makes it a batch over several tables.
  void AddTables(Batch& batch);
  void BeginCommit();
  // One batch of each sender.
  void BeginCommit(const std::vector<AnsweredBatches*>& senders, uint64_t sync_percent);
  absl::Status CheckCommit(const Operation& commit, const std::vector<AnsweredBatches*>& senders);
  void BeginMarks();
  void BeginReplacingMetadata();
  void BeginSync();
  // A call failed: OK if one was made to fail.
  absl::Status Failed(const absl::Status& status);
  AnsweredBatches& RandomProducer();
  void EverythingIsDurable();
  absl::Status OpenAndCompare();
  absl::Status CheckForgotten() const;
  RegionOptions Options();

  Random random_;
  const SimulatedEngine kind_;
  RegionOnDisk region_;
  const bool is_crowded_;
  const size_t max_commits_;
  CheckedPipeline* pipeline_ = nullptr;
  uint64_t left_ = 0;                      // operations to begin
  std::deque<AnsweredBatches> producers_;  // by id
  uint64_t being_issued_ = 0;              // ids that are asked for and not answered
  uint64_t perhaps_issued_ = 0;            // ids whose issue was answered with an error
  uint64_t moment_ = 0;                    // batches with records that were sent so far
  uint64_t version_ = 0;                   // of the region
  bool call_failed_ = false;
  bool is_cut_ = false;  // operations were never answered
};

}  // namespace walden::testing
