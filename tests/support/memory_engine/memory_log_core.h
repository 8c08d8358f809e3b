// What a log in memory is made of. It outlives the log while a step is made.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/log_engine.h"
#include "tests/support/memory_engine/memory_log.h"
#include "tests/support/memory_engine/memory_operation.h"
#include "tests/support/memory_engine/memory_store.h"
#include "tests/support/memory_engine/memory_view.h"

namespace walden {

// Any thread.
class MemoryLogCore final : public MemoryRegionUser,
                            public std::enable_shared_from_this<MemoryLogCore> {
 public:
  explicit MemoryLogCore(MemoryLog::Environment environment);

  absl::Status Open();
  // Afterwards nobody is called any more, but by the thread that calls this.
  void Detach() ABSL_LOCKS_EXCLUDED(mutex_);

  void Begin(std::unique_ptr<MemoryOperation> operation) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Work() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status Acquire(const AcquireRequest& request) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Release() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Close() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status Health() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsOwner() const ABSL_LOCKS_EXCLUDED(mutex_);

  void OnStoreChanged() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnChangedBehindBack() override ABSL_LOCKS_EXCLUDED(mutex_);

  const MemoryLog::Environment& environment() const { return environment_; }
  MemoryRegion& region() const { return *environment_.region; }
  MemoryView& view() const { return *view_; }

 private:
  enum class Steps { kAsked, kLeft };
  void Judge(MemoryOperation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Step(Steps steps) ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes the first operation. Returns false while a fault holds it up.
  bool StepOnce() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The outcome; none while a fault holds it up.
  std::optional<MemoryOperation::Outcome> Make(MemoryOperation& operation)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Store(MemoryOperation& operation) ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsHeld(MemoryOperation& operation);
  absl::Status StateFor(const MemoryOperation& operation) const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Failed(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status NotOwned() const;
  void PostStep(Steps steps);

  const MemoryLog::Environment environment_;
  const std::shared_ptr<MemoryView> view_;

  mutable absl::Mutex mutex_;
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
  bool is_owner_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_acquiring_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  MemoryWriting writing_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::unique_ptr<MemoryOperation>> operations_ ABSL_GUARDED_BY(mutex_);
  size_t not_judged_ ABSL_GUARDED_BY(mutex_) = 0;  // of them
  size_t asked_steps_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_stepping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread::id stepper_ ABSL_GUARDED_BY(mutex_);
  bool is_blocked_ ABSL_GUARDED_BY(mutex_) = false;   // the first operation, by a fault
  bool was_changed_ ABSL_GUARDED_BY(mutex_) = false;  // the store, since the last step began
  int telling_ ABSL_GUARDED_BY(mutex_) = 0;           // threads in OnStoreChanged
  bool is_detached_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace walden
