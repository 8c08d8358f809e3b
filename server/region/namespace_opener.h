// Opens the engines of late namespaces while the daemon serves, and retries those that failed.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "server/region/region_registry.h"
#include "server/region/reopen_policy.h"

namespace walden {

// Any thread may use it.
class NamespaceOpener {
 public:
  // All outlive the opener, and the executor runs nothing any more when the opener is destroyed.
  struct Environment {
    RegionRegistry* registry =
        nullptr;  // has the namespaces, and is told the result of each attempt
    const Clock* clock = nullptr;
    Executor* executor = nullptr;  // opening takes long: a thread for each namespace is best
    ReopenPolicy policy;           // its `attempts` is not used: retries do not end
  };
  explicit NamespaceOpener(const Environment& environment) : environment_(environment) {}

  // Opens every late namespace. `decided` is called once, when the first attempt of each has ended:
  // inside this call if no namespace is late.
  void Start(std::function<void()> decided) ABSL_LOCKS_EXCLUDED(mutex_);

  // Starts the retries that are due. To be called often; does not block.
  void Tick() ABSL_LOCKS_EXCLUDED(mutex_);

  // No attempt begins after this.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Retry {
    const Namespace* of = nullptr;
    absl::Duration at;
  };

  void Attempt(const Namespace& of) ABSL_LOCKS_EXCLUDED(mutex_);
  void PlanRetry(const Namespace& of) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Environment environment_;
  absl::Mutex mutex_;
  size_t undecided_ ABSL_GUARDED_BY(mutex_) = 0;
  std::function<void()> decided_ ABSL_GUARDED_BY(mutex_);
  std::map<NamespaceId, uint32_t> failures_ ABSL_GUARDED_BY(mutex_);  // in a row
  std::vector<Retry> retries_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace walden
