// RegionRegistry's start, end and timed work.
#include <algorithm>
#include <atomic>
#include <utility>

#include "engine/error.h"
#include "server/region_registry.h"

namespace walden {

// Shared by the openings of one OpenAll; the last one to finish tells.
struct RegionRegistry::StartProgress {
  absl::Mutex mutex;
  uint64_t pending ABSL_GUARDED_BY(mutex) = 1;  // the listing itself
  StartSummary summary ABSL_GUARDED_BY(mutex);
  absl::Status error ABSL_GUARDED_BY(mutex);
  std::function<void(absl::StatusOr<StartSummary>)> done;

  void FinishOne() ABSL_LOCKS_EXCLUDED(mutex) {
    absl::StatusOr<StartSummary> result = absl::UnknownError("");
    {
      absl::MutexLock lock(&mutex);
      if (--pending > 0) return;
      if (error.ok()) {
        result = summary;
      } else {
        result = error;
      }
    }
    done(std::move(result));
  }
};

void RegionRegistry::OpenAll(std::function<void(absl::StatusOr<StartSummary>)> done) {
  auto progress = std::make_shared<StartProgress>();
  progress->done = std::move(done);
  environment_.background->Post([this, progress] {
    for (const Namespace* ns : namespaces_.All()) {
      const absl::StatusOr<std::vector<RegionId>> regions = ns->engine->ListRegions();
      if (regions.ok()) {
        OpenListed(*ns, *regions, progress);
      } else if (absl::IsDataLoss(regions.status()) ||
                 absl::IsResourceExhausted(regions.status())) {
        // It is broken alone: every call on it says so.
        environment_.events->OnNamespaceBroken(*ns, regions.status());
      } else {
        absl::MutexLock lock(&progress->mutex);
        progress->error.Update(
            WithContext(regions.status(), "listing the regions of namespace " + ns->name));
      }
    }
    progress->FinishOne();
  });
}

void RegionRegistry::OpenListed(const Namespace& of, const std::vector<RegionId>& regions,
                                const std::shared_ptr<StartProgress>& progress) {
  for (const RegionId region : regions) {
    {
      absl::MutexLock lock(&progress->mutex);
      ++progress->pending;
    }
    Find({of.id, region}, [progress](absl::StatusOr<std::shared_ptr<RegionActor>> actor) {
      OpeningReport report;
      if (actor.ok() && *actor != nullptr) report = (*actor)->log().Describe().opening;
      {
        absl::MutexLock lock(&progress->mutex);
        StartSummary& summary = progress->summary;
        if (!actor.ok()) {
          const bool limited = HasReason(actor.status(), ErrorReason::kTooManyRegions);
          ++(limited ? summary.not_opened : summary.broken);
        } else if (*actor != nullptr) {
          ++summary.regions;
          summary.records += report.records_scanned;
          summary.bytes += report.bytes_scanned;
          summary.torn_tails += report.torn_tail_bytes > 0;
          summary.quarantined += !report.damaged.empty();
        }
      }
      progress->FinishOne();
    });
  }
}

void RegionRegistry::CloseAll(std::function<void(const absl::Status&)> done) {
  std::vector<RegionKey> keys;
  {
    absl::MutexLock lock(&mutex_);
    shutting_down_ = true;
    for (const auto& [key, entry] : entries_) keys.push_back(key);
  }
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

void RegionRegistry::OnFailed(const RegionKey& key, const absl::Status& why) {
  Statistics::Add(environment_.statistics->failed_regions, 1);
  environment_.events->OnFailed(key, why);
}

void RegionRegistry::OnUnsynced(std::shared_ptr<RegionActor> actor) {
  const absl::Duration due = environment_.clock->Now() + actor->options().buffered_sync_interval;
  absl::MutexLock lock(&due_mutex_);
  due_.push_back({std::move(actor), due});
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
  for (const DueSync& sync : now_due) sync.actor->PostTimedSync();
}

void RegionRegistry::OnUnnoted(std::shared_ptr<RegionActor> actor) {
  const absl::Duration due = environment_.clock->Now() + kIdleBeforeNote;
  const uint64_t activity = actor->activity();
  absl::MutexLock lock(&due_mutex_);
  notes_.push_back({std::move(actor), activity, due});
}

void RegionRegistry::NoteIdle() {
  std::vector<std::shared_ptr<RegionActor>> idle;
  {
    absl::MutexLock lock(&due_mutex_);
    if (notes_.empty()) return;
    const absl::Duration now = environment_.clock->Now();
    std::erase_if(notes_, [&](DueNote& note) {
      if (note.due > now) return false;
      const uint64_t activity = note.actor->activity();
      if (activity == note.activity) {
        idle.push_back(std::move(note.actor));
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
