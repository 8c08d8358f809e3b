#include "tests/simulation/checked_pipeline.h"

#include <utility>

#include "tests/simulation/wrong.h"

namespace walden::testing {

CheckedPipeline::CheckedPipeline(RegionOnDisk* region, Random* random, size_t max_commits,
                                 std::function<void()> begin_next)
    : region_(region),
      random_(random),
      begin_next_(std::move(begin_next)),
      pipeline_(&region->log(), max_commits, [this] { OnAnswer(); }) {
  // RocksDB may hold a lock of its own in a call.
  if (region_->engine() == SimulatedEngine::kSegment) {
    region_->disk().SetMeanwhile([this] { Meanwhile(); });
  }
}

CheckedPipeline::~CheckedPipeline() { region_->disk().SetMeanwhile(nullptr); }

void CheckedPipeline::Begin(std::shared_ptr<Operation> operation, Check check) {
  under_way_.push_back({operation, std::move(check)});
  pipeline_.Begin(std::move(operation));
}

absl::Status CheckedPipeline::Drain() {
  while (pipeline_.Step()) {
  }
  if (!under_way_.empty()) wrong_.Update(Wrong("an operation was never answered"));
  return wrong_;
}

absl::Status CheckedPipeline::Abandon() {
  for (const UnderWay& lost : std::exchange(under_way_, {})) {
    wrong_.Update(lost.check(*lost.operation));
  }
  return wrong_;
}

void CheckedPipeline::OnAnswer() {
  while (!under_way_.empty() && under_way_.front().operation->answered) {
    const UnderWay answered = std::move(under_way_.front());
    under_way_.pop_front();
    wrong_.Update(answered.check(*answered.operation));
  }
  for (const UnderWay& other : under_way_) {
    if (!other.operation->answered) continue;
    wrong_.Update(Wrong("an operation was answered before one that was begun before it"));
  }
  if (CanBegin() && random_->Percent(20)) begin_next_();
}

void CheckedPipeline::Meanwhile() {
  if (!wrong_.ok() || region_->disk().crashed()) return;
  const uint64_t choice = random_->Below(100);
  if (choice < 20) {
    if (CanBegin()) begin_next_();
  } else if (choice < 40) {
    pipeline_.Step();
  }
}

}  // namespace walden::testing
