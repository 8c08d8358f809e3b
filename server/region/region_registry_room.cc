// Part of RegionRegistry: limits the open regions, and reopens failed ones.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/region/region_registry.h"

namespace walden {

// ---------------------------------------------------------------------------------------------------
// Room

void RegionRegistry::OpenInSlot(const RegionKey& key, Entry& entry) {
  entry.has_slot = true;
  ++used_slots_;
  PostOpen(key);
}

void RegionRegistry::OpenOnceThereIsRoom(const RegionKey& key, Entry& entry) {
  if (HasFreeSlot()) {
    OpenInSlot(key, entry);
    return;
  }
  entry.waits_for_slot = true;
  wants_slot_.push_back({key, environment_.clock->Now() + options_.room_wait});
  CloseIdle();
}

void RegionRegistry::ReleaseSlot(Entry& entry) {
  if (std::exchange(entry.has_slot, false)) --used_slots_;
  while (!wants_slot_.empty() && HasFreeSlot()) {
    const RegionKey key = wants_slot_.front().key;
    wants_slot_.pop_front();
    Entry& next = *entries_.at(key);
    next.waits_for_slot = false;
    OpenInSlot(key, next);
  }
}

// Closes an idle region for each region that waits for a slot, if there are enough.
void RegionRegistry::CloseIdle() {
  while (closing_for_room_ < wants_slot_.size()) {
    Entries::value_type* const idle = LeastRecentlyUsed();
    if (idle == nullptr) return;
    ++closing_for_room_;
    idle->second->closes_for_room = true;
    CloseOpen(idle->first, *idle->second, [](const absl::StatusOr<bool>&) {});
  }
}

// Returns the least recently used idle region. Only the entry holds the actor of an idle region, so
// its mailbox is empty, no commit is under way, and it has no readers or followers. Regions without
// pages of entries come first, because pages would have to be made from the log again. Failed
// regions are not closed for room: that would reopen them against the policy. Checks every entry.
RegionRegistry::Entries::value_type* RegionRegistry::LeastRecentlyUsed() {
  Entries::value_type* best = nullptr;
  bool best_has_pages = false;
  for (Entries::value_type& candidate : entries_) {
    const Entry& entry = *candidate.second;
    if (entry.state != State::kOpen || entry.actor.use_count() > 1) continue;
    if (!entry.actor->log().Health().ok()) continue;
    const bool has_pages = entry.actor->entries().HasTables();
    if (best != nullptr &&
        std::pair(has_pages, entry.last_use) > std::pair(best_has_pages, best->second->last_use)) {
      continue;
    }
    best = &candidate;
    best_has_pages = has_pages;
  }
  return best;
}

absl::Status RegionRegistry::TooManyRegions(const RegionKey& key) const {
  const std::string limit = absl::StrCat(options_.max_open_regions);
  return MakeError(
      absl::StatusCode::kResourceExhausted, ErrorReason::kTooManyRegions,
      absl::StrCat("region ", key.region, " cannot be opened: ", limit,
                   " regions are open, and all of them are in use; try again, or raise "
                   "the limit"),
      {{"field", "limits.max_open_regions"}, {"value", limit}, {"limit", limit}});
}

void RegionRegistry::RefuseWhatFoundNoRoom() {
  std::vector<std::pair<RegionKey, Wakeups>> refused;
  {
    absl::MutexLock lock(&mutex_);
    if (wants_slot_.empty()) return;
    CloseIdle();
    const absl::Duration now = environment_.clock->Now();
    while (!wants_slot_.empty() && wants_slot_.front().at <= now) {
      const RegionKey key = wants_slot_.front().key;
      wants_slot_.pop_front();
      refused.emplace_back(key, TakeWaiting(*entries_.at(key)));
      entries_.erase(key);
    }
  }
  for (auto& [key, wakeups] : refused) Wake(std::move(wakeups), TooManyRegions(key));
}

// ---------------------------------------------------------------------------------------------------
// Reopening

void RegionRegistry::OnFailed(const RegionKey& key, const absl::Status& why) {
  Statistics::Add(environment_.statistics->failed_regions, 1);
  environment_.events->OnFailed(key, why);
  Planned planned = Planned::kNot;
  uint32_t attempt = 0;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second->state != State::kOpen) return;
    Entry& entry = *found->second;
    const absl::Duration open_for = environment_.clock->Now() - entry.opened_at;
    if (open_for >= options_.reopen.recovered_after()) entry.failures = 0;
    planned = PlanReopening(key, entry);
    attempt = entry.failures;
  }
  ReportPlanned(key, planned, attempt);
}

RegionRegistry::Planned RegionRegistry::PlanReopening(const RegionKey& key, Entry& entry) {
  if (shutting_down_) return Planned::kNot;
  if (entry.failures >= options_.reopen.attempts) return Planned::kGivenUp;
  const absl::Duration wait = options_.reopen.WaitAfter(entry.failures);
  ++entry.failures;
  entry.reopen_planned = true;
  reopenings_.push_back({key, environment_.clock->Now() + wait});
  return Planned::kYes;
}

void RegionRegistry::ReportPlanned(const RegionKey& key, Planned planned, uint32_t attempt) {
  const ReopenPolicy& policy = options_.reopen;
  if (planned == Planned::kYes) {
    environment_.events->OnReopenPlanned(key, attempt, policy.attempts,
                                         policy.WaitAfter(attempt - 1));
  } else if (planned == Planned::kGivenUp) {
    environment_.events->OnReopenGivenUp(key, policy.attempts);
  }
}

void RegionRegistry::ReopenDue() {
  absl::MutexLock lock(&mutex_);
  if (reopenings_.empty() || shutting_down_) return;
  const absl::Duration now = environment_.clock->Now();
  const auto later = std::partition(reopenings_.begin(), reopenings_.end(),
                                    [now](const Due& due) { return due.at <= now; });
  const std::vector<Due> due(reopenings_.begin(), later);
  reopenings_.erase(reopenings_.begin(), later);
  for (const Due& one : due) Reopen(one.key);
}

void RegionRegistry::Reopen(const RegionKey& key) {
  const auto found = entries_.find(key);
  // A client closed it meanwhile, and it may be open again.
  if (found == entries_.end() || !found->second->reopen_planned) return;
  Entry& entry = *found->second;
  entry.reopen_planned = false;
  if (entry.state == State::kOpen && !entry.actor->log().Health().ok()) {
    entry.reopens = true;
    CloseOpen(key, entry, [](const absl::StatusOr<bool>&) {});
  } else if (entry.state == State::kBroken && entry.verifying == 0) {
    entry.state = State::kOpening;
    OpenOnceThereIsRoom(key, entry);
  } else if (entry.state == State::kBroken) {
    entry.reopen_planned = true;
    reopenings_.push_back({key, environment_.clock->Now() + options_.reopen.backoff});
  }
}

}  // namespace walden
