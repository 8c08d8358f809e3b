#include "server/region/late_engine.h"

#include "base/error.h"

namespace walden {

std::vector<std::function<void()>> LateEngine::Decide() {
  decided_ = true;
  return std::exchange(waiting_, {});
}

void LateEngine::SetOpen(std::unique_ptr<LogEngine> engine) {
  std::vector<std::function<void()>> waiting;
  {
    absl::MutexLock lock(&mutex_);
    owned_ = std::move(engine);
    open_.store(owned_.get(), std::memory_order_release);
    failure_ = absl::OkStatus();
    waiting = Decide();
  }
  for (const std::function<void()>& decided : waiting) decided();
}

void LateEngine::SetFailed(const absl::Status& why) {
  std::vector<std::function<void()>> waiting;
  {
    absl::MutexLock lock(&mutex_);
    failure_ = why;
    waiting = Decide();
  }
  for (const std::function<void()>& decided : waiting) decided();
}

void LateEngine::WhenDecided(std::function<void()> decided) {
  {
    absl::MutexLock lock(&mutex_);
    if (!decided_) {
      waiting_.push_back(std::move(decided));
      return;
    }
  }
  decided();
}

absl::Status LateEngine::Failure() const {
  if (is_open()) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  if (!failure_.ok()) return failure_;
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                   "the namespace is still being opened; try again");
}

// No region is open before the engine is, so there are no records then.
RecordOrder LateEngine::record_order() const {
  const LogEngine* const open = engine();
  return open == nullptr ? RecordOrder::kAppend : open->record_order();
}

EngineUsage LateEngine::Usage() const {
  const LogEngine* const open = engine();
  return open == nullptr ? EngineUsage{} : open->Usage();
}

absl::StatusOr<std::vector<RegionId>> LateEngine::ListRegions() const {
  const LogEngine* const open = engine();
  if (open == nullptr) return Failure();
  return open->ListRegions();
}

absl::StatusOr<std::vector<RegionId>> LateEngine::ListOwned() const {
  const LogEngine* const open = engine();
  if (open == nullptr) return Failure();
  return open->ListOwned();
}

bool LateEngine::opening_owns() const {
  const LogEngine* const open = engine();
  return open == nullptr || open->opening_owns();
}

void LateEngine::OpenRegion(RegionId region, const OpenRequest& request,
                            std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) {
  LogEngine* const open = engine();
  if (open == nullptr) {
    done(Failure());
  } else {
    open->OpenRegion(region, request, std::move(done));
  }
}

void LateEngine::DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) {
  LogEngine* const open = engine();
  if (open == nullptr) {
    done(Failure());
  } else {
    open->DropRegion(region, std::move(done));
  }
}

TablePosition LateEngine::PositionInAbsentRegion(TableId table) const {
  const LogEngine* const open = engine();
  return open == nullptr ? TablePosition{} : open->PositionInAbsentRegion(table);
}

absl::Status LateEngine::CheckFitsNewRegion(const RegionOptions& options,
                                            const AppendBatch& batch) const {
  const LogEngine* const open = engine();
  return open == nullptr ? Failure() : open->CheckFitsNewRegion(options, batch);
}

void LateEngine::KeepHouse() {
  LogEngine* const open = engine();
  if (open != nullptr) open->KeepHouse();
}

absl::Status LateEngine::CountDiskUsage() {
  LogEngine* const open = engine();
  return open == nullptr ? absl::OkStatus() : open->CountDiskUsage();
}

absl::Status LateEngine::VerifyClosedRegion(
    RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const {
  const LogEngine* const open = engine();
  return open == nullptr ? Failure() : open->VerifyClosedRegion(region, report);
}

}  // namespace walden
