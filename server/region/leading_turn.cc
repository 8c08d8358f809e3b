#include "server/region/leading_turn.h"

#include <utility>

#include "server/region/region_actor.h"

namespace walden {

LeadingTurn::~LeadingTurn() {
  if (actor_ == nullptr) return;
  actor_->environment_.leaders->Leave();
  actor_->PostRun();
}

void LeadingTurn::Run(int max_groups) {
  if (actor_ == nullptr) return;
  const std::shared_ptr<RegionActor> actor = std::move(actor_);
  actor_ = nullptr;
  actor->Run(max_groups);
  actor->environment_.leaders->Leave();
}

}  // namespace walden
