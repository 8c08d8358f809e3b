// Part of RegionRegistry: its start, its end and its timed work.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "server/region/region_registry.h"

#include "server/region/shutting_down.h"

namespace walden {

// ---------------------------------------------------------------------------------------------------
// The start

void RegionRegistry::OpenAll(std::function<void(const StartSummary&)> done) {
  std::vector<const Namespace*> open;
  {
    absl::MutexLock lock(&mutex_);
    on_started_ = std::move(done);
    for (const Namespace* ns : namespaces_.All()) {
      undecided_.insert(ns->id);
      if (ns->late == nullptr) open.push_back(ns);
    }
  }
  for (const Namespace* ns : open) NamespaceOpened(*ns);
}

void RegionRegistry::NamespaceOpened(const Namespace& opened) {
  environment_.background->Post([this, of = &opened] { ListRegionsOf(*of); });
}

void RegionRegistry::NamespaceFailed(const Namespace& failed, const absl::Status& why) {
  environment_.events->OnNamespaceBroken(failed, why);
  {
    absl::MutexLock lock(&mutex_);
    undecided_.erase(failed.id);
  }
  ReportStarted();
}

void RegionRegistry::ListRegionsOf(const Namespace& of) {
  const absl::StatusOr<std::vector<RegionId>> regions = of.engine->ListOwned();
  // Only listing failed. Calls that name a region may still be served.
  if (!regions.ok()) environment_.events->OnNamespaceBroken(of, regions.status());
  {
    absl::MutexLock lock(&mutex_);
    undecided_.erase(of.id);
    if (shutting_down_) return;
    unlisted_.erase(of.id);
    if (regions.ok()) {
      for (const RegionId region : *regions) scan_queue_.push_back({of.id, region});
      ScanNext();
    } else {
      unlisted_[of.id] = WithContext(regions.status(), "its regions cannot be listed");
      if (MayPassByItself(regions.status())) {
        const absl::Duration wait = options_.reopen.WaitAfter(relistings_of_[of.id]++);
        relistings_.push_back({&of, environment_.clock->Now() + wait});
      }
    }
  }
  ReportStarted();
}

void RegionRegistry::RelistDue() {
  std::vector<const Namespace*> due;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Duration now = environment_.clock->Now();
    std::erase_if(relistings_, [&due, now](const Relisting& one) {
      if (one.at <= now) due.push_back(one.of);
      return one.at <= now;
    });
  }
  for (const Namespace* of : due) NamespaceOpened(*of);
}

void RegionRegistry::ScanNext() {
  while (scanning_ < options_.start_parallelism && !scan_queue_.empty()) {
    const RegionKey key = scan_queue_.front();
    scan_queue_.pop_front();
    std::unique_ptr<Entry>& entry = entries_[key];
    if (entry == nullptr && !HasFreeSlot()) {
      entries_.erase(key);
      ++summary_.not_opened;
      continue;
    }
    const bool is_new = entry == nullptr;
    if (is_new) {
      entry = std::make_unique<Entry>();
      OpenInSlot(key, *entry);
    }
    if (entry->state == State::kOpen || entry->state == State::kBroken) {
      AddToSummary(key);  // a call opened it earlier
      continue;
    }
    ++scanning_;
    entry->waiting_finds.push_back(
        [this, key](const absl::StatusOr<std::shared_ptr<RegionActor>>&) { FinishScan(key); });
  }
}

void RegionRegistry::AddToSummary(const RegionKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;  // it was dropped meanwhile, or the cause was temporary
  const Entry& entry = *found->second;
  if (entry.state == State::kBroken) {
    ++summary_.broken;
    return;
  }
  ++summary_.regions;
  summary_.records += entry.records_scanned;
  summary_.bytes += entry.bytes_scanned;
  summary_.torn_tails += entry.had_torn_tail ? 1 : 0;
  summary_.quarantined += entry.was_quarantined ? 1 : 0;
}

void RegionRegistry::FinishScan(const RegionKey& key) {
  {
    absl::MutexLock lock(&mutex_);
    --scanning_;
    AddToSummary(key);
    if (!shutting_down_) ScanNext();
  }
  ReportStarted();
}

void RegionRegistry::ReportStarted() {
  std::function<void(const StartSummary&)> done;
  StartSummary summary;
  {
    absl::MutexLock lock(&mutex_);
    if (shutting_down_ || !undecided_.empty() || scanning_ > 0 || !scan_queue_.empty()) return;
    done = std::exchange(on_started_, nullptr);
    summary = summary_;
  }
  if (done) done(summary);
}

StartProgress RegionRegistry::start_progress() const {
  absl::MutexLock lock(&mutex_);
  return {.namespaces_to_open = undecided_.size(),
          .regions_to_scan = scan_queue_.size() + static_cast<uint64_t>(scanning_),
          .summary = summary_};
}

std::vector<std::pair<NamespaceId, absl::Status>> RegionRegistry::NamespaceFailures() const {
  std::vector<std::pair<NamespaceId, absl::Status>> failures;
  for (const Namespace* ns : namespaces_.All()) {
    if (ns->late == nullptr || !ns->late->is_decided()) continue;
    const absl::Status failure = ns->late->Failure();
    if (!failure.ok()) failures.emplace_back(ns->id, failure);
  }
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, status] : unlisted_) failures.emplace_back(id, status);
  return failures;
}

// ---------------------------------------------------------------------------------------------------
// The end

void RegionRegistry::CloseAll(std::function<void(const absl::Status&)> done) {
  std::vector<RegionKey> keys;
  std::vector<Wakeups> unopened;
  {
    absl::MutexLock lock(&mutex_);
    shutting_down_ = true;
    scan_queue_.clear();
    wants_slot_.clear();
    for (auto it = entries_.begin(); it != entries_.end();) {
      const auto current = it++;
      const Namespace& ns = NamespaceOf(current->first);
      const bool waits_for_namespace =
          current->second->state == State::kOpening && ns.late != nullptr && !ns.late->is_decided();
      if (waits_for_namespace || current->second->waits_for_slot) {
        unopened.push_back(TakeWaiting(*current->second));
        entries_.erase(current);
      } else {
        keys.push_back(current->first);
      }
    }
  }
  for (Wakeups& wakeups : unopened) Wake(std::move(wakeups), ShuttingDownError());
  struct Progress {
    absl::Mutex mutex;
    uint64_t pending ABSL_GUARDED_BY(mutex) = 0;
    absl::Status error ABSL_GUARDED_BY(mutex);
  };
  auto progress = std::make_shared<Progress>();
  auto finish_one = [progress, done = std::move(done)](const absl::Status& status) {
    absl::Status error;
    {
      absl::MutexLock lock(&progress->mutex);
      progress->error.Update(status);
      if (--progress->pending > 0) return;
      error = progress->error;
    }
    done(error);
  };
  {
    absl::MutexLock lock(&progress->mutex);
    progress->pending = keys.size() + 1;
  }
  for (const RegionKey& key : keys) {
    CloseUnlessClosed(
        key, [finish_one](const absl::StatusOr<bool>& closed) { finish_one(closed.status()); });
  }
  finish_one(absl::OkStatus());
}

// ---------------------------------------------------------------------------------------------------
// The clock

void RegionRegistry::Tick() {
  SyncDue();
  EndLingers();
  RefuseWhatFoundNoRoom();
  ReopenDue();
  RelistDue();
}

void RegionRegistry::OnUnsynced(std::shared_ptr<RegionActor> actor) {
  const absl::Duration due = environment_.clock->Now() + actor->options().buffered_sync_interval;
  absl::MutexLock lock(&due_mutex_);
  due_.push_back({actor, due});
}

void RegionRegistry::SyncDue() {
  std::vector<DueSync> now_due;
  {
    absl::MutexLock lock(&due_mutex_);
    if (due_.empty()) return;
    const absl::Duration now = environment_.clock->Now();
    const auto later = std::partition(due_.begin(), due_.end(),
                                      [now](const DueSync& sync) { return sync.due > now; });
    now_due.assign(std::make_move_iterator(later), std::make_move_iterator(due_.end()));
    due_.erase(later, due_.end());
  }
  for (const DueSync& sync : now_due) {
    if (const auto actor = sync.actor.lock(); actor != nullptr) actor->PostTimedSync();
  }
}

void RegionRegistry::OnLingering(std::shared_ptr<RegionActor> actor, absl::Duration time) {
  const absl::Duration due = environment_.clock->Now() + time;
  absl::MutexLock lock(&due_mutex_);
  lingers_.push_back({actor, due});
}

void RegionRegistry::EndLingers() {
  std::vector<std::weak_ptr<RegionActor>> over;
  {
    absl::MutexLock lock(&due_mutex_);
    if (lingers_.empty()) return;
    const absl::Duration now = environment_.clock->Now();
    std::erase_if(lingers_, [&](const DueSync& linger) {
      if (linger.due <= now) over.push_back(linger.actor);
      return linger.due <= now;
    });
  }
  for (const std::weak_ptr<RegionActor>& one : over) {
    if (const auto actor = one.lock(); actor != nullptr) actor->EndLinger();
  }
}

void RegionRegistry::OnUnnoted(std::shared_ptr<RegionActor> actor) {
  const absl::Duration due = environment_.clock->Now() + kIdleBeforeNote;
  const uint64_t activity = actor->activity();
  absl::MutexLock lock(&due_mutex_);
  notes_.push_back({actor, activity, due});
}

void RegionRegistry::NoteIdle() {
  std::vector<std::shared_ptr<RegionActor>> idle;
  {
    absl::MutexLock lock(&due_mutex_);
    if (notes_.empty()) return;
    const absl::Duration now = environment_.clock->Now();
    std::erase_if(notes_, [&](DueNote& note) {
      if (note.due > now) return false;
      std::shared_ptr<RegionActor> actor = note.actor.lock();
      if (actor == nullptr) return true;
      const uint64_t activity = actor->activity();
      if (activity == note.activity) {
        idle.push_back(std::move(actor));
        return true;
      }
      note.activity = activity;
      note.due = now + kIdleBeforeNote;
      return false;
    });
  }
  for (const std::shared_ptr<RegionActor>& actor : idle) actor->PostNoteDurable();
}

}  // namespace walden
