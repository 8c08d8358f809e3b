// A random history of producers: a few of them send groups of up to 200 batches to one region, more
// than the window that it remembers of each, SYNC or BUFFERED; segments are small, and go when
// their records are marked deleted; the metadata is filled by region versions until it is replaced,
// also in the middle of a group; calls fail. The region is closed, killed or loses power, is opened
// again, and every batch of every window is retried, several times over. The answers are compared
// with AnsweredBatches. One thread; a seed decides everything.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/simulation/answered_batches.h"
#include "tests/simulation/region_on_disk.h"
#include "tests/support/random.h"

namespace walden::testing {

class ProducerHistory {
 public:
  // `observe` is called with every step and, if `every_operation`, every file operation.
  ProducerHistory(uint64_t seed, bool every_operation,
                  std::function<void(const std::string& line)> observe);

  // OK, or what was wrong.
  absl::Status Run();

 private:
  absl::Status OpenProducers();
  absl::Status Use();
  // Makes it a batch over several tables.
  void AddTables(Batch& batch);
  absl::Status Commit();
  absl::Status MarkTables();
  absl::Status ReplaceMetadata();
  absl::Status Sync();
  // A call failed: OK if one was made to fail.
  absl::Status Failed(const absl::Status& status);
  AnsweredBatches& RandomProducer();
  void EverythingIsDurable();
  absl::Status OpenAndCompare();
  RegionOptions Options();

  Random random_;
  RegionOnDisk region_;
  std::vector<AnsweredBatches> producers_;
  uint64_t version_ = 0;  // of the region
  bool call_failed_ = false;
};

}  // namespace walden::testing
