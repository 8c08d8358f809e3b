#include "tests/support/memory_engine/memory_engine.h"

#include <utility>

#include "base/error.h"
#include "engine/log_errors.h"
#include "tests/support/memory_engine/memory_log.h"
#include "tests/support/memory_engine/memory_view.h"

namespace walden {
namespace {

class StandingClock final : public WallClock {
 public:
  int64_t UnixMillis() const override { return kAppendedUnixMicros / 1000; }
  int64_t UnixMicros() const override { return kAppendedUnixMicros; }
};

MemoryEngineOptions Complete(MemoryEngineOptions options) {
  static const auto* const standing = new StandingClock;
  if (options.store == nullptr) options.store = std::make_shared<MemoryStore>();
  if (options.wall_clock == nullptr) options.wall_clock = standing;
  return options;
}

}  // namespace

MemoryEngine::MemoryEngine(MemoryEngineOptions options) : options_(Complete(std::move(options))) {
  if (options_.owns_by_opening) has_lock_ = options_.store->TryLock();
}

MemoryEngine::~MemoryEngine() {
  if (has_lock_) options_.store->Unlock();
}

absl::StatusOr<std::unique_ptr<MemoryEngine>> MemoryEngine::Open(MemoryEngineOptions options) {
  auto engine = std::make_unique<MemoryEngine>(std::move(options));
  const absl::Status up = engine->store()->CheckUp();
  if (!up.ok()) return up;
  if (engine->options_.owns_by_opening && !engine->has_lock_) {
    return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kLocked,
                     "another engine is open on the store");
  }
  return engine;
}

void MemoryEngine::FailOpening(RegionId region, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  failing_[region] = std::move(status);
}

void MemoryEngine::FailListing(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  listing_ = std::move(status);
}

void MemoryEngine::SetInOpening(std::function<void(RegionId)> in_opening) {
  absl::MutexLock lock(&mutex_);
  in_opening_ = std::move(in_opening);
}

void MemoryEngine::HoldOpenings() {
  absl::MutexLock lock(&mutex_);
  holds_openings_ = true;
}

void MemoryEngine::LetOpeningsGo() {
  std::vector<std::function<void()>> openings;
  {
    absl::MutexLock lock(&mutex_);
    holds_openings_ = false;
    openings.swap(held_openings_);
  }
  for (const auto& opening : openings) opening();
}

int MemoryEngine::openings() const {
  absl::MutexLock lock(&mutex_);
  return openings_;
}

absl::StatusOr<std::vector<RegionId>> MemoryEngine::List(bool only_owned) const {
  {
    absl::MutexLock lock(&mutex_);
    if (!listing_.ok()) return listing_;
  }
  const absl::Status up = store()->CheckUp();
  if (!up.ok()) return up;
  std::vector<RegionId> ids;
  for (const auto& [id, region] : store()->Regions()) {
    if (!region->exists()) continue;
    if (!only_owned || region->IsOwnedBy(options_.identity)) ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<std::vector<RegionId>> MemoryEngine::ListRegions() const {
  return List(/*only_owned=*/false);
}

absl::StatusOr<std::vector<RegionId>> MemoryEngine::ListOwned() const {
  return List(/*only_owned=*/!options_.owns_by_opening);
}

void MemoryEngine::OpenRegion(
    RegionId region, const OpenRequest& request,
    std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) {
  auto opening = [this, region, request, done = std::move(done)] {
    done(OpenRegionNow(region, request));
  };
  {
    absl::MutexLock lock(&mutex_);
    if (holds_openings_) {
      held_openings_.push_back(std::move(opening));
      return;
    }
  }
  Finish(std::move(opening));
}

void MemoryEngine::Finish(std::function<void()> done) {
  if (options_.executor == nullptr) {
    done();
  } else {
    options_.executor->Post(std::move(done));
  }
}

absl::StatusOr<std::unique_ptr<RegionLog>> MemoryEngine::OpenRegionNow(RegionId id,
                                                                       const OpenRequest& request) {
  std::function<void(RegionId)> in_opening;
  {
    absl::MutexLock lock(&mutex_);
    in_opening = in_opening_;
  }
  if (in_opening) in_opening(id);
  {
    absl::MutexLock lock(&mutex_);
    ++openings_;
    const auto failing = failing_.find(id);
    if (failing != failing_.end() && !failing->second.ok()) return failing->second;
  }
  const absl::Status up = store()->CheckUp();
  if (!up.ok()) return up;
  const std::shared_ptr<MemoryRegion> region = store()->Find(id, request.create);
  if (region == nullptr || (!request.create && !region->exists())) return NoSuchMemoryRegion();
  return MemoryLog::Open({.region = region,
                          .options = request.options,
                          .identity = options_.identity,
                          .address = options_.address,
                          .owns_by_opening = options_.owns_by_opening,
                          .creates = request.create,
                          .executor = options_.executor,
                          .in_lent_threads = options_.in_lent_threads,
                          .wall_clock = options_.wall_clock,
                          .linger = options_.linger,
                          .on_change = request.on_change});
}

void MemoryEngine::DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) {
  Finish([this, region, done = std::move(done)] { done(DropRegionNow(region)); });
}

absl::StatusOr<bool> MemoryEngine::DropRegionNow(RegionId id) {
  {
    absl::MutexLock lock(&mutex_);
    failing_.erase(id);
  }
  const std::shared_ptr<MemoryRegion> region = store()->Find(id, /*make=*/false);
  if (region != nullptr && !options_.owns_by_opening) {
    const std::string owner = region->OwnerBeside(options_.identity);
    if (!owner.empty()) return OwnedElsewhere(owner);
  }
  return store()->Drop(id);
}

absl::Status MemoryEngine::VerifyClosedRegion(
    RegionId id, absl::FunctionRef<bool(const VerifyProgress&)> report) const {
  const std::shared_ptr<MemoryRegion> region = store()->Find(id, /*make=*/false);
  if (region == nullptr || !region->exists()) return NoSuchMemoryRegion();
  absl::Status failing;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = failing_.find(id);
    if (found != failing_.end()) failing = found->second;
  }
  if (absl::IsDataLoss(failing)) {
    VerifyProgress progress;
    progress.findings.push_back(
        {.file = "memory", .offset = 8, .length = 4, .reason = std::string(failing.message())});
    report(progress);
    return absl::OkStatus();
  }
  const auto view = std::make_shared<MemoryView>(region);
  view->CatchUp();
  view->Verify(report);
  return absl::OkStatus();
}

}  // namespace walden
