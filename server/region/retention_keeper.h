// Deletes old records of open regions with a retention. The deletions are jobs in the region's
// mailbox, as those of a client's MarkDeleted: one table after the other, between appends.
#pragma once

#include <atomic>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "engine/log_engine.h"
#include "server/region/region_registry.h"
#include "server/statistics/statistics.h"

namespace walden {

// The retention of every region. Any thread.
class RetentionPolicies {
 public:
  struct Policy {
    RetentionLimits regions;
    std::map<RegionId, RetentionLimits> overrides;  // whole: instead of the namespace's
  };

  // Takes effect at the next look.
  void Set(NamespaceId ns, Policy policy) ABSL_LOCKS_EXCLUDED(mutex_);
  RetentionLimits Of(const RegionKey& key) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<NamespaceId, Policy> policies_ ABSL_GUARDED_BY(mutex_);
};

// Any thread. Must outlive the jobs that it posted. The registry's CloseAll answers them.
class RetentionKeeper {
 public:
  // All outlive the keeper.
  struct Environment {
    RegionRegistry* registry = nullptr;
    const Clock* clock = nullptr;
    const WallClock* wall_clock = nullptr;  // tells ages
    Executor* background = nullptr;         // looks: they read the ages of files
    Statistics* statistics = nullptr;
    RegionEvents* events = nullptr;
  };

  RetentionKeeper(const Environment& environment, absl::Duration interval);

  RetentionPolicies& policies() { return policies_; }
  void set_interval(absl::Duration interval) { interval_micros_.store(ToMicros(interval)); }

  // Looks at every open region if the interval has passed. To be called often; does not block.
  void LookIfDue() ABSL_LOCKS_EXCLUDED(mutex_);

  // Looks now, in this thread.
  void Look() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Round;

  static int64_t ToMicros(absl::Duration interval) { return absl::ToInt64Microseconds(interval); }
  void LookAt(const std::shared_ptr<RegionActor>& actor) ABSL_LOCKS_EXCLUDED(mutex_);
  void Finished(const RegionKey& key, const RetentionPlan& plan, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const Environment environment_;
  std::atomic<int64_t> interval_micros_;
  RetentionPolicies policies_;

  absl::Mutex mutex_;
  absl::Duration next_look_ ABSL_GUARDED_BY(mutex_);
  bool looking_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<RegionKey> busy_ ABSL_GUARDED_BY(mutex_);  // a round is under way
};

}  // namespace walden
