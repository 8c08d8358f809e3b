// Copies a region's log into another engine's, with numbers, marks, kinds and region version. Uses
// the engine interface alone. Producers are not copied: the interface has no way to ask for them.
//
// A copy may be stopped or killed anywhere and started again: each table goes on after the records
// that the target has durably, and complete tables are only compared. Memory is bounded by a few
// MiB and the largest record. One thread; no other thread may write either log meanwhile.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/log_engine.h"

namespace walden {

struct RegionCopyOptions {
  // Copies the records around damage, and reports the damage in the result. The source must be open
  // with RecoveryPolicy::kQuarantine. Without this option damage ends the copy with DATA_LOSS.
  bool skip_damaged = false;
};

struct RegionCopyProgress {
  uint64_t records = 0;  // copied by this call
  uint64_t bytes = 0;    // payloads read: of what is copied, then of both sides to compare them
};

struct RegionCopyResult {
  uint64_t tables = 0;
  uint64_t records = 0;         // live ones, the same in both
  uint64_t bytes = 0;           // their payloads
  uint64_t copied_records = 0;  // by this call
  std::vector<DamagedRange> damaged;
};

// Before it returns the copy reads source and target and compares them, record by record.
// `progress` is called after each step of a few MiB; it returns false to stop (CANCELLED).
//   DATA_LOSS            the source is damaged, and skip_damaged is not set
//   FAILED_PRECONDITION  the target holds what is not a beginning of the source: something else, or
//                        the source was written or marked deleted since an earlier copy stopped
//   ABORTED              as FAILED_PRECONDITION, found while appending
//   INTERNAL             the target does not hold what the source does
// and the errors of RegionLog's functions on either.
absl::StatusOr<RegionCopyResult> CopyRegion(
    const ReadableLog& source, RegionLog& target, const RegionCopyOptions& options,
    absl::FunctionRef<bool(const RegionCopyProgress&)> progress);

// Checks that the target holds exactly what the source does. Writes nothing; `copied_records` is 0.
//   FAILED_PRECONDITION  the target has a table or a region version that the source does not have
//   INTERNAL             another difference
// and the errors of reading either.
absl::StatusOr<RegionCopyResult> CompareRegion(
    const ReadableLog& source, const ReadableLog& target,
    absl::FunctionRef<bool(const RegionCopyProgress&)> progress);

}  // namespace walden
