// Counts the batches that the daemon has confirmed.
#pragma once

#include <cstdint>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "walden/v1/wal.pb.h"

namespace walden::cli {

// Any thread.
class ConfirmedAppends {
 public:
  struct Range {
    uint64_t first_sequence = 0;  // of the first batch
    uint64_t last_sequence = 0;   // of the last batch
  };

  struct Totals {
    uint64_t batches = 0;
    uint64_t records = 0;
    uint64_t duplicate_batches = 0;
    bool all_durable = true;
    std::map<uint64_t, Range> tables;  // by table id
  };

  void Add(const v1::AppendRequest& request, const v1::AppendResponse& response);

  uint64_t records() const;
  // Of the table's last batch; 0 if there is none.
  uint64_t last_sequence(uint64_t table) const;
  Totals totals() const;

 private:
  mutable absl::Mutex mutex_;
  Totals totals_ ABSL_GUARDED_BY(mutex_);
};

// The payloads of a batch, over all its tables.
uint64_t RecordCount(const v1::AppendRequest& request);

}  // namespace walden::cli
