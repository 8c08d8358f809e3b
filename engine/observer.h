// Callbacks by which an engine reports events. Engines know nothing of what becomes of them.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace walden {

// Any thread, on the way of appends and marks: must not block.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;

  // One sync of a log succeeded, for those who waited for their records to be durable.
  virtual void OnSynced(absl::Duration /*took*/) {}

  // Disk that held nothing live went back.
  virtual void OnReclaimed(uint64_t /*bytes*/) {}

  // A log began a segment that had been prepared (or had to be allocated while it waited).
  virtual void OnSegmentStarted(bool /*was_prepared*/) {}

  // Something is wrong that the engine works around and that an operator should repair: a leftover
  // that cannot be removed, a directory that everybody may read. Not on the way of appends.
  virtual void OnProblem(const absl::Status& /*what*/) {}

  // Hears of everything and does nothing.
  static EngineObserver* Nobody() {
    static EngineObserver nobody;
    return &nobody;
  }
};

}  // namespace walden
