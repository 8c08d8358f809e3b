// The limits of one identity, so that a greedy client does not make the others wait.
//
// Without identities all callers are one tenant, whose name is empty.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace walden {

// 0: no limit but the daemon's.
struct TenantLimits {
  uint64_t in_flight_bytes = 0;          // of appends that are accepted and not yet answered
  uint64_t calls = 0;                    // open at once
  uint64_t append_bytes_per_second = 0;  // of payload, with bursts of one second

  bool operator==(const TenantLimits&) const = default;
};

// Any thread; never blocks. Refusals are RESOURCE_EXHAUSTED (TENANT_LIMIT) and say which limit, and
// for how long to wait where that is known.
class Tenant {
 public:
  Tenant(std::string name, const Clock* clock) : name_(std::move(name)), clock_(clock) {}
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;

  const std::string& name() const { return name_; }

  // Counts a call. Returns the number of open calls, this one included.
  uint64_t EnterCall() { return calls_.fetch_add(1, std::memory_order_relaxed) + 1; }
  // Returns TENANT_LIMIT if `open` exceeds the limit. Call LeaveCall in either case.
  absl::Status CheckCalls(uint64_t open);
  void LeaveCall() { calls_.fetch_sub(1, std::memory_order_relaxed); }

  // Takes the bytes of an append until Release. `payload_bytes` count towards the rate. An error
  // takes nothing.
  absl::Status TryAcquire(uint64_t held_bytes, uint64_t payload_bytes);
  // Takes the bytes of an append that was read from a stream. Exceeds the limits by one append of
  // each stream at most, because a stream is not read while a limit is reached.
  void AcquireSlowed(uint64_t held_bytes, uint64_t payload_bytes);
  void Release(uint64_t held_bytes) { held_.fetch_sub(held_bytes, std::memory_order_relaxed); }
  // Gives the bytes back to the rate because the append was not stored.
  void Return(uint64_t payload_bytes);

  // Whether a stream may be read. `yet_to_be_taken`: bytes that its last append has not taken yet.
  bool HasRoom(uint64_t yet_to_be_taken = 0) const;

  uint64_t calls() const { return calls_.load(std::memory_order_relaxed); }
  uint64_t in_flight_bytes() const { return held_.load(std::memory_order_relaxed); }
  uint64_t refusals() const { return refusals_.load(std::memory_order_relaxed); }
  TenantLimits limits() const;
  void SetLimits(const TenantLimits& limits);

 private:
  static constexpr int64_t kNothingOwed = INT64_MIN / 2;

  // Time until the rate admits an append; 0: now.
  int64_t RateWaitNanos(uint64_t rate) const;
  void CountInRate(uint64_t rate, uint64_t payload_bytes);
  absl::Status Refuse(absl::string_view field, uint64_t value, uint64_t limit,
                      absl::string_view what, int64_t wait_nanos);

  const std::string name_;
  const Clock* const clock_;
  std::atomic<uint64_t> max_held_{0};
  std::atomic<uint64_t> max_calls_{0};
  std::atomic<uint64_t> max_rate_{0};
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> calls_{0};
  std::atomic<uint64_t> refusals_{0};
  // By the clock: when everything appended so far would be done at the rate.
  std::atomic<int64_t> paid_until_nanos_{kNothingOwed};
};

// A stream that waits for room within its tenant's limits and in the mailboxes.
class RoomWaiter {
 public:
  virtual ~RoomWaiter() = default;
  // On any thread; must not lock anything.
  virtual bool HasRoom() const = 0;
  // On the thread of WakeWaiting.
  virtual void OnRoom() = 0;
};

// All tenants of a daemon. Any thread.
class Tenants {
 public:
  struct Policy {
    TenantLimits everybody;                     // of tenants not named below
    std::map<std::string, TenantLimits> named;  // whole: instead of everybody's
    // For identities without a configured limit, so that one cannot fill the mailboxes.
    uint64_t default_in_flight_bytes = 0;
  };

  explicit Tenants(const Clock* clock);

  // Takes effect at once, also for tenants that exist.
  void SetPolicy(Policy policy) ABSL_LOCKS_EXCLUDED(mutex_);

  // The tenant of callers without an identity.
  Tenant& anonymous() { return anonymous_; }
  // The tenant of an identity. Lives as long as this object.
  Tenant& Of(absl::string_view name) ABSL_LOCKS_EXCLUDED(mutex_);

  // Every tenant that made a call, by name.
  std::vector<const Tenant*> All() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls OnRoom once there is room. The caller may hold locks that OnRoom takes.
  void Wait(RoomWaiter* waiter) ABSL_LOCKS_EXCLUDED(waiting_mutex_);
  // After this the waiter is not called and not being called.
  void Forget(RoomWaiter* waiter) ABSL_LOCKS_EXCLUDED(waking_mutex_, waiting_mutex_);
  // To be called now and then.
  void WakeWaiting() ABSL_LOCKS_EXCLUDED(waking_mutex_, waiting_mutex_);

 private:
  TenantLimits LimitsOf(absl::string_view name) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  Tenant anonymous_;

  mutable absl::Mutex mutex_;
  Policy policy_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::unique_ptr<Tenant>> tenants_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex waking_mutex_ ABSL_ACQUIRED_BEFORE(waiting_mutex_);  // held while calling
  absl::Mutex waiting_mutex_;
  std::vector<RoomWaiter*> waiting_ ABSL_GUARDED_BY(waiting_mutex_);
};

}  // namespace walden
