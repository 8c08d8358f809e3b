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

  // A sync of a log succeeded, which made records durable.
  virtual void OnSynced(absl::Duration /*took*/) {}

  // Bytes on disk that held nothing live were given back.
  virtual void OnReclaimed(uint64_t /*bytes*/) {}

  // A log began a new segment. `was_prepared`: a spare; otherwise the file was allocated while the
  // log waited.
  virtual void OnSegmentStarted(bool /*was_prepared*/) {}

  // The engine works around a problem that an operator should fix, such as a leftover that cannot
  // be removed or a directory that everybody may read. Not on the way of appends.
  virtual void OnProblem(const absl::Status& /*what*/) {}

  // An observer that ignores all events.
  static EngineObserver* Nobody() {
    static EngineObserver nobody;
    return &nobody;
  }
};

}  // namespace walden
