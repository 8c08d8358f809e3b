// Part of RegionRegistry: closes and drops regions, and verifies the files of broken ones.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/region/region_registry.h"

#include "server/region/shutting_down.h"

namespace walden {

void RegionRegistry::Close(const RegionKey& key, CloseCallback closed) {
  bool refused = false;
  {
    absl::MutexLock lock(&mutex_);
    refused = shutting_down_;
    const auto found = entries_.find(key);
    Entry* entry = found == entries_.end() ? nullptr : found->second.get();
    if (!refused && entry != nullptr &&
        (entry->state == State::kOpening || entry->state == State::kClosing ||
         entry->verifying > 0)) {
      entry->waiting_closes.push_back(
          [this, key, closed = std::move(closed)] { Close(key, closed); });
      return;
    }
  }
  if (refused) {
    closed(ShuttingDownError());
  } else {
    CloseUnlessClosed(key, std::move(closed));
  }
}

void RegionRegistry::CloseUnlessClosed(const RegionKey& key, CloseCallback closed) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end()) {
      Entry& entry = *found->second;
      if (entry.state == State::kOpen) {
        CloseOpen(key, entry, std::move(closed));
        return;
      }
      if (entry.state != State::kBroken || entry.verifying > 0) {
        entry.waiting_closes.push_back(
            [this, key, closed = std::move(closed)] { CloseUnlessClosed(key, closed); });
        return;
      }
      entries_.erase(found);
    }
  }
  closed(false);
}

void RegionRegistry::CloseOpen(const RegionKey& key, Entry& entry, CloseCallback closed) {
  entry.state = State::kClosing;
  // The engine's close only posts work to the executor.
  entry.actor->Close([this, key, closed = std::move(closed)](const absl::Status& status) {
    environment_.events->OnClosed(key, status);
    FinishClosing(key);
    if (status.ok()) {
      closed(true);
    } else {
      closed(WithContext(status, absl::StrCat("closing region ", key.region)));
    }
  });
}

void RegionRegistry::FinishClosing(const RegionKey& key) {
  Wakeups wakeups;
  std::shared_ptr<RegionActor>
      actor;  // may be the last reference, which must not be released under the lock
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = *entries_.at(key);
    actor = std::move(entry.actor);
    entry.actor = nullptr;
    if (!entry.reopens) entry.failures = 0;
    entry.reopen_planned = false;
    const bool opens_again = !shutting_down_ && (entry.reopens || entry.HasWaitingCalls());
    entry.reopens = false;
    if (std::exchange(entry.closes_for_room, false)) {
      --closing_for_room_;
      ReleaseSlot(entry);  // to the region that waits for it
    }
    if (opens_again) {
      entry.state = State::kOpening;
      if (entry.has_slot) {
        PostOpen(key);
      } else {
        OpenOnceThereIsRoom(key, entry);
      }
      return;
    }
    wakeups = TakeWaiting(entry);
    ReleaseSlot(entry);
    entries_.erase(key);
  }
  Wake(std::move(wakeups), ShuttingDownError());
}

void RegionRegistry::Drop(const RegionKey& key, CloseCallback dropped) {
  std::shared_ptr<RegionActor> actor;
  bool refused = false;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(key);
    if (shutting_down_) {
      refused = true;
    } else if (found == entries_.end()) {
      // Dropping takes a slot without waiting for one.
      entries_[key] = std::make_unique<Entry>(Entry{.state = State::kClosing, .has_slot = true});
      ++used_slots_;
    } else if (Entry& entry = *found->second; entry.state == State::kOpen) {
      entry.state = State::kClosing;
      actor = entry.actor;
    } else if (entry.state == State::kBroken && entry.verifying == 0) {
      entry.state = State::kClosing;
      entry.has_slot = true;
      ++used_slots_;
    } else {
      entry.waiting_closes.push_back(
          [this, key, dropped = std::move(dropped)] { Drop(key, dropped); });
      return;
    }
  }
  if (refused) {
    dropped(ShuttingDownError());
    return;
  }
  auto drop = [this, key, dropped = std::move(dropped)] {
    environment_.background->Post([this, key, dropped] { DropClosed(key, dropped); });
  };
  if (actor == nullptr) {
    drop();
    return;
  }
  // A log can be dropped although it could not be synced.
  actor->Close([drop = std::move(drop)](const absl::Status&) { drop(); });
}

void RegionRegistry::DropClosed(const RegionKey& key, const CloseCallback& dropped) {
  NamespaceOf(key).engine->DropRegion(key.region,
                                      [this, key, dropped](const absl::StatusOr<bool>& existed) {
                                        if (existed.ok() && *existed)
                                          environment_.events->OnDropped(key);
                                        FinishClosing(key);
                                        dropped(existed);
                                      });
}

absl::Status RegionRegistry::VerifyBroken(const RegionKey& key,
                                          absl::FunctionRef<bool(const VerifyProgress&)> report) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second->state != State::kBroken) {
      return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                       absl::StrCat("region ", key.region,
                                    " was closed while it was to be verified; try again"));
    }
    ++found->second->verifying;
  }
  const absl::Status status = NamespaceOf(key).engine->VerifyClosedRegion(key.region, report);
  std::vector<std::function<void()>> closes;
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = *entries_.at(key);
    if (--entry.verifying == 0) closes.swap(entry.waiting_closes);
  }
  for (std::function<void()>& close : closes) close();
  return status;
}

}  // namespace walden
