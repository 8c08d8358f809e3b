#include "engine/io/disk_quota.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {

absl::Status DiskQuota::Take(uint64_t bytes) {
  const uint64_t used = used_.fetch_add(bytes, std::memory_order_relaxed);
  const uint64_t most = limit();
  absl::Status status;
  if (most != 0 && used + bytes > most) {
    status = Exceeded(used, most, bytes);
  } else if (within_ != nullptr) {
    status = within_->Take(bytes);
  }
  if (!status.ok()) used_.fetch_sub(bytes, std::memory_order_relaxed);
  return status;
}

void DiskQuota::GiveBack(uint64_t bytes) {
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  if (within_ != nullptr) within_->GiveBack(bytes);
}

void DiskQuota::SetUsed(uint64_t bytes) {
  const uint64_t before = used_.exchange(bytes, std::memory_order_relaxed);
  // Unsigned arithmetic wraps around, so the difference may be negative.
  if (within_ != nullptr) within_->used_.fetch_add(bytes - before, std::memory_order_relaxed);
}

absl::Status DiskQuota::CheckLeft() const {
  const uint64_t most = limit();
  const uint64_t taken = used();
  return most != 0 && taken >= most ? Exceeded(taken, most, 0) : absl::OkStatus();
}

absl::Status DiskQuota::Exceeded(uint64_t used, uint64_t limit, uint64_t more) const {
  const std::string needs = more == 0 ? "" : absl::StrCat(" and needs ", more, " more");
  return MakeError(
      absl::StatusCode::kResourceExhausted, ErrorReason::kQuotaExceeded,
      absl::StrCat(name_, " holds ", used, " bytes of disk", needs, ", its quota is ", limit, " (",
                   field_,
                   "): nothing was stored. Mark records deleted, or raise the quota; appends "
                   "resume by themselves"),
      {{"field", field_},
       {"quota", name_},
       {"value", absl::StrCat(used)},
       {"limit", absl::StrCat(limit)}});
}

DiskQuotas::DiskQuotas(std::string namespace_name)
    : namespace_name_(std::move(namespace_name)),
      whole_(absl::StrCat("namespace ", namespace_name_), "namespaces[].disk_quota", nullptr) {}

void DiskQuotas::SetLimits(Limits limits) {
  absl::MutexLock lock(&mutex_);
  limits_ = std::move(limits);
  whole_.set_limit(limits_.whole);
  for (auto& [region, quota] : regions_) quota->set_limit(LimitOf(region));
}

DiskQuota& DiskQuotas::OfRegion(RegionId region) {
  absl::MutexLock lock(&mutex_);
  std::unique_ptr<DiskQuota>& quota = regions_[region];
  if (quota == nullptr) {
    quota = std::make_unique<DiskQuota>(
        absl::StrCat("region ", region, " of namespace ", namespace_name_),
        limits_.regions.contains(region) ? "namespaces[].regions[].disk_quota"
                                         : "namespaces[].region_disk_quota",
        &whole_);
    quota->set_limit(LimitOf(region));
  }
  return *quota;
}

uint64_t DiskQuotas::LimitOf(RegionId region) const {
  const auto found = limits_.regions.find(region);
  return found == limits_.regions.end() ? limits_.region : found->second;
}

}  // namespace walden
