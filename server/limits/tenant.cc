#include "server/limits/tenant.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kBurstNanos = kNanosPerSecond;

// Bytes at a rate; both are at most 2^36 and more, so their product needs more than 64 bits.
int64_t NanosFor(uint64_t bytes, uint64_t rate) {
  return static_cast<int64_t>(static_cast<double>(bytes) / static_cast<double>(rate) *
                              static_cast<double>(kNanosPerSecond));
}

std::string Shown(const std::string& name) {
  return name.empty() ? "every caller together" : absl::StrCat("\"", name, "\"");
}

}  // namespace

TenantLimits Tenant::limits() const {
  return {.in_flight_bytes = max_held_.load(std::memory_order_relaxed),
          .calls = max_calls_.load(std::memory_order_relaxed),
          .append_bytes_per_second = max_rate_.load(std::memory_order_relaxed)};
}

void Tenant::SetLimits(const TenantLimits& limits) {
  max_held_.store(limits.in_flight_bytes, std::memory_order_relaxed);
  max_calls_.store(limits.calls, std::memory_order_relaxed);
  // A new rate starts without the debt of the old one.
  if (max_rate_.exchange(limits.append_bytes_per_second) != limits.append_bytes_per_second) {
    paid_until_nanos_.store(kNothingOwed);
  }
}

absl::Status Tenant::CheckCalls(uint64_t open) {
  const uint64_t most = max_calls_.load(std::memory_order_relaxed);
  if (most == 0 || open <= most) return absl::OkStatus();
  return Refuse("limits.identity_calls", open, most, "calls open at once", 0);
}

absl::Status Tenant::TryAcquire(uint64_t held_bytes, uint64_t payload_bytes) {
  const uint64_t rate = max_rate_.load(std::memory_order_relaxed);
  if (const int64_t wait = RateWaitNanos(rate); wait > 0) {
    return Refuse("limits.identity_append_bytes_per_second", payload_bytes, rate,
                  "payload bytes a second", wait);
  }
  const uint64_t most = max_held_.load(std::memory_order_relaxed);
  const uint64_t held = held_.fetch_add(held_bytes, std::memory_order_relaxed);
  // An append passes if no other is in flight, so that a batch above the limit can be stored at
  // all.
  if (most != 0 && held != 0 && held + held_bytes > most) {
    held_.fetch_sub(held_bytes, std::memory_order_relaxed);
    return Refuse("limits.identity_in_flight_bytes", held + held_bytes, most,
                  "bytes of appends that wait for their answer", 0);
  }
  CountInRate(rate, payload_bytes);
  return absl::OkStatus();
}

void Tenant::AcquireSlowed(uint64_t held_bytes, uint64_t payload_bytes) {
  held_.fetch_add(held_bytes, std::memory_order_relaxed);
  CountInRate(max_rate_.load(std::memory_order_relaxed), payload_bytes);
}

void Tenant::Return(uint64_t payload_bytes) {
  const uint64_t rate = max_rate_.load(std::memory_order_relaxed);
  if (rate != 0) paid_until_nanos_.fetch_sub(NanosFor(payload_bytes, rate));
}

bool Tenant::HasRoom(uint64_t yet_to_be_taken) const {
  const uint64_t most = max_held_.load(std::memory_order_relaxed);
  const uint64_t held = held_.load(std::memory_order_relaxed) + yet_to_be_taken;
  if (most != 0 && held >= most) return false;
  return RateWaitNanos(max_rate_.load(std::memory_order_relaxed)) == 0;
}

int64_t Tenant::RateWaitNanos(uint64_t rate) const {
  if (rate == 0) return 0;
  const int64_t now = absl::ToInt64Nanoseconds(clock_->Now());
  const int64_t paid_until = paid_until_nanos_.load(std::memory_order_relaxed);
  return paid_until <= now + kBurstNanos ? 0 : paid_until - now - kBurstNanos;
}

void Tenant::CountInRate(uint64_t rate, uint64_t payload_bytes) {
  if (rate == 0) return;
  const int64_t now = absl::ToInt64Nanoseconds(clock_->Now());
  const int64_t cost = NanosFor(payload_bytes, rate);
  int64_t paid_until = paid_until_nanos_.load(std::memory_order_relaxed);
  while (!paid_until_nanos_.compare_exchange_weak(paid_until, std::max(paid_until, now) + cost)) {
  }
}

absl::Status Tenant::Refuse(absl::string_view field, uint64_t value, uint64_t limit,
                            absl::string_view what, int64_t wait_nanos) {
  refusals_.fetch_add(1, std::memory_order_relaxed);
  const int64_t wait_millis = std::max<int64_t>(wait_nanos / 1'000'000, 100);
  return MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kTenantLimit,
                   absl::StrCat(Shown(name_), " may have ", limit, " ", what,
                                "; nothing was stored, try again in ", wait_millis, " ms"),
                   {{"field", std::string(field)},
                    {"identity", name_},
                    {"value", absl::StrCat(value)},
                    {"limit", absl::StrCat(limit)},
                    {kRetryAfterMillisKey, absl::StrCat(wait_millis)}});
}

Tenants::Tenants(const Clock* clock) : clock_(clock), anonymous_("", clock) {}

void Tenants::SetPolicy(Policy policy) {
  absl::MutexLock lock(&mutex_);
  policy_ = std::move(policy);
  anonymous_.SetLimits(policy_.everybody);
  for (auto& [name, tenant] : tenants_) tenant->SetLimits(LimitsOf(name));
}

TenantLimits Tenants::LimitsOf(absl::string_view name) const {
  const auto named = policy_.named.find(std::string(name));
  TenantLimits limits = named == policy_.named.end() ? policy_.everybody : named->second;
  if (limits.in_flight_bytes == 0) limits.in_flight_bytes = policy_.default_in_flight_bytes;
  return limits;
}

Tenant& Tenants::Of(absl::string_view name) {
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (const auto found = tenants_.find(name); found != tenants_.end()) return *found->second;
  }
  absl::MutexLock lock(&mutex_);
  std::unique_ptr<Tenant>& tenant = tenants_[name];
  if (tenant == nullptr) {
    tenant = std::make_unique<Tenant>(std::string(name), clock_);
    tenant->SetLimits(LimitsOf(name));
  }
  return *tenant;
}

std::vector<const Tenant*> Tenants::All() const {
  std::vector<const Tenant*> all = {&anonymous_};
  absl::ReaderMutexLock lock(&mutex_);
  for (const auto& [name, tenant] : tenants_) all.push_back(tenant.get());
  std::sort(all.begin(), all.end(),
            [](const Tenant* a, const Tenant* b) { return a->name() < b->name(); });
  return all;
}

void Tenants::Wait(RoomWaiter* waiter) {
  absl::MutexLock lock(&waiting_mutex_);
  waiting_.push_back(waiter);
}

void Tenants::Forget(RoomWaiter* waiter) {
  absl::MutexLock waking(&waking_mutex_);
  absl::MutexLock lock(&waiting_mutex_);
  std::erase(waiting_, waiter);
}

void Tenants::WakeWaiting() {
  absl::MutexLock waking(&waking_mutex_);
  std::vector<RoomWaiter*> ready;
  {
    absl::MutexLock lock(&waiting_mutex_);
    if (waiting_.empty()) return;
    const auto rest =
        std::stable_partition(waiting_.begin(), waiting_.end(),
                              [](const RoomWaiter* waiter) { return !waiter->HasRoom(); });
    ready.assign(rest, waiting_.end());
    waiting_.erase(rest, waiting_.end());
  }
  for (RoomWaiter* const waiter : ready) waiter->OnRoom();
}

}  // namespace walden
