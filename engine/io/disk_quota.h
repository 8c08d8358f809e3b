// Limits the bytes of disk that a namespace and its regions hold.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "engine/types.h"

namespace walden {

// Any thread.
class DiskQuota {
 public:
  // `name` is for messages. Bytes taken here are taken from `within` too, which may be null and
  // outlives this quota.
  DiskQuota(std::string name, std::string field, DiskQuota* within)
      : name_(std::move(name)), field_(std::move(field)), within_(within) {}
  DiskQuota(const DiskQuota&) = delete;
  DiskQuota& operator=(const DiskQuota&) = delete;

  // Takes `bytes` more from this quota and from the one around it. RESOURCE_EXHAUSTED
  // (QUOTA_EXCEEDED) if that would exceed either: takes nothing and names the quota.
  absl::Status Take(uint64_t bytes);
  void GiveBack(uint64_t bytes);

  // Sets the bytes in use, even above the limit.
  void SetUsed(uint64_t bytes);

  // QUOTA_EXCEEDED if the limit is reached. For engines that do not know the bytes of a write
  // before it.
  absl::Status CheckLeft() const;

  // Sets the limit; 0 is none.
  void set_limit(uint64_t bytes) { limit_.store(bytes, std::memory_order_relaxed); }
  uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  absl::Status Exceeded(uint64_t used, uint64_t limit, uint64_t more) const;

  const std::string name_;
  const std::string field_;
  DiskQuota* const within_;
  std::atomic<uint64_t> limit_{0};
  std::atomic<uint64_t> used_{0};
};

// The quotas of one namespace and its regions. Any thread.
class DiskQuotas {
 public:
  struct Limits {
    uint64_t whole = 0;   // of the namespace; 0: none, as below
    uint64_t region = 0;  // of each region but these
    std::map<RegionId, uint64_t> regions;
  };

  explicit DiskQuotas(std::string namespace_name);

  // Sets the limits of bytes that are taken from now on.
  void SetLimits(Limits limits) ABSL_LOCKS_EXCLUDED(mutex_);

  DiskQuota& whole() { return whole_; }
  const DiskQuota& whole() const { return whole_; }
  // The quota of a region, which lives as long as this object.
  DiskQuota& OfRegion(RegionId region) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  uint64_t LimitOf(RegionId region) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string namespace_name_;
  DiskQuota whole_;
  absl::Mutex mutex_;
  Limits limits_ ABSL_GUARDED_BY(mutex_);
  std::map<RegionId, std::unique_ptr<DiskQuota>> regions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
