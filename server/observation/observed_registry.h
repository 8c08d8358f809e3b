// Access to the region registry for metrics and status, which outlive it.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "server/region/region_registry.h"

namespace walden {

// Any thread may use it.
class ObservedRegistry {
 public:
  explicit ObservedRegistry(const RegionRegistry* registry) : registry_(registry) {}

  // Runs `look` while the registry stays alive. Returns false without running it after Release.
  bool With(absl::FunctionRef<void(const RegionRegistry&)> look) const ABSL_LOCKS_EXCLUDED(mutex_);

  // To be called before the registry is destroyed. Waits until no `look` is running.
  void Release() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;  // held, shared, while `look` runs
  const RegionRegistry* registry_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
