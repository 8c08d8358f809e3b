// Whether a Recover stream was what it promises to be.
#pragma once

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "walden/v1/wal.pb.h"

namespace walden::cli {

// State first, in any number of parts, then records with rising sequence numbers per table, then a
// summary with the right counts, and nothing after it. Everything else is DATA_LOSS. One thread at
// a time.
class RecoveryCheck {
 public:
  absl::Status Take(const v1::RecoverResponse& message);

  // At the end of the stream.
  absl::Status Finish() const;

  uint64_t records() const { return counted_.record_count(); }
  uint64_t payload_bytes() const { return counted_.payload_bytes(); }
  const v1::RecoverSummary& summary() const { return counted_; }

 private:
  absl::Status TakeRecords(const v1::RecoverResponse& message);
  absl::Status CompareSummary(const v1::RecoverSummary& told) const;

  bool has_state_ = false;
  bool has_records_ = false;
  bool has_summary_ = false;
  absl::flat_hash_map<uint64_t, uint64_t> last_sequences_;  // by table
  v1::RecoverSummary counted_;
};

}  // namespace walden::cli
