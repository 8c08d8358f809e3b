#include "server/region_registry.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "engine/error.h"

namespace walden {
namespace {

// What an append occupies besides its payload bytes: about its request and bookkeeping.
constexpr uint64_t kAppendOverheadBytes = 512;
constexpr uint64_t kPayloadOverheadBytes = 48;

absl::Status ShuttingDown() {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kShuttingDown,
                   "the daemon is shutting down; try again when it is back");
}

}  // namespace

RegionRegistry::RegionRegistry(const RegistryOptions& options, NamespaceSet namespaces,
                               const RegistryEnvironment& environment)
    : options_(options),
      environment_(environment),
      mailbox_budget_(options.mailbox_bytes),
      leaders_(options.leader_slots),
      actor_environment_{environment.actors,     this,
                         environment.statistics, &leaders_,
                         environment.entries,    environment.clock},
      namespaces_(std::move(namespaces)) {}

RegionRegistry::~RegionRegistry() = default;

const Namespace& RegionRegistry::NamespaceOf(const RegionKey& key) const {
  return *namespaces_.Find(key.namespace_id);
}

absl::Status RegionRegistry::Admit(MailboxJob* job) {
  if (job->kind() != MailboxJob::Kind::kAppend) return absl::OkStatus();
  if (environment_.disk != nullptr) {
    if (absl::Status status = environment_.disk->CheckAppends(); !status.ok()) return status;
  }
  const auto* append = static_cast<const AppendJob*>(job);
  const uint64_t bytes = append->payload_bytes + kAppendOverheadBytes +
                         kPayloadOverheadBytes * append->batch.payloads.size();
  Tenant* const tenant = append->tenant;
  if (tenant != nullptr && append->was_slowed) {
    tenant->Acquire(bytes, append->payload_bytes);
  } else if (tenant != nullptr) {
    const absl::Status status = tenant->TryAcquire(bytes, append->payload_bytes);
    if (!status.ok()) return status;
  }
  if (!mailbox_budget_.TryAcquire(bytes)) {
    if (tenant != nullptr) {
      tenant->Release(bytes);
      tenant->Return(append->payload_bytes);
    }
    return MakeError(
        absl::StatusCode::kResourceExhausted, ErrorReason::kMailboxFull,
        "too many bytes of appends wait to be written; nothing was stored, try again later",
        {{"field", "limits.mailbox_bytes"},
         {"value", absl::StrCat(mailbox_budget_.used())},
         {"limit", absl::StrCat(mailbox_budget_.limit())}});
  }
  job->charged_to_ = &mailbox_budget_;
  job->charged_tenant_ = tenant;
  job->charged_bytes_ = bytes;
  return absl::OkStatus();
}

void RegionRegistry::Submit(const RegionKey& key, MailboxJob* job, LeadingTurn* lead) {
  if (const absl::Status admitted = Admit(job); !admitted.ok()) {
    Statistics::Add(environment_.statistics->refused_batches, 1);
    job->AnswerRefused(admitted);
    return;
  }
  job->counted_in_ = &environment_.statistics->waiting_jobs;
  Statistics::Add(*job->counted_in_, 1);
  const bool creates = job->kind() == MailboxJob::Kind::kAppend;
  while (true) {
    std::shared_ptr<RegionActor> actor;
    absl::Status refused;
    {
      absl::MutexLock lock(&mutex_);
      const auto found = entries_.find(key);
      Entry* entry = found == entries_.end() ? nullptr : found->second.get();
      if (shutting_down_) {
        refused = ShuttingDown();
      } else if (entry != nullptr && entry->state == State::kOpen) {
        actor = entry->actor;
      } else if (entry != nullptr && entry->state == State::kBroken) {
        refused = entry->broken;
      } else {
        if (entry == nullptr) {
          const absl::StatusOr<Entry*> opening = BeginOpening(key);
          if (opening.ok()) entry = *opening;
          refused = opening.status();
        }
        if (entry != nullptr) {
          entry->create |= creates;
          entry->waiting_jobs.PushBack(job);
          return;
        }
      }
    }
    if (actor == nullptr) {
      if (creates) Statistics::Add(environment_.statistics->refused_batches, 1);
      job->AnswerRefused(refused);
      return;
    }
    // Refuses only after the entry left kOpen, so this does not spin.
    if (actor->Post(job, lead)) return;
  }
}

void RegionRegistry::Find(const RegionKey& key, FindCallback found) {
  std::shared_ptr<RegionActor> actor;
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    const auto position = entries_.find(key);
    Entry* entry = position == entries_.end() ? nullptr : position->second.get();
    if (shutting_down_) {
      refused = ShuttingDown();
    } else if (entry != nullptr && entry->state == State::kOpen) {
      actor = entry->actor;
    } else if (entry != nullptr && entry->state == State::kBroken) {
      refused = entry->broken;
    } else {
      if (entry == nullptr) {
        const absl::StatusOr<Entry*> opening = BeginOpening(key);
        if (opening.ok()) entry = *opening;
        refused = opening.status();
      }
      if (entry != nullptr) {
        entry->waiting_finds.push_back(std::move(found));
        return;
      }
    }
  }
  if (actor == nullptr) {
    found(refused);
  } else {
    found(std::move(actor));
  }
}

// ---------------------------------------------------------------------------------------------------
// Opening

absl::StatusOr<RegionRegistry::Entry*> RegionRegistry::BeginOpening(const RegionKey& key) {
  if (not_broken_ >= options_.max_open_regions) {
    return MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kTooManyRegions,
                     absl::StrCat("region ", key.region, " cannot be opened: ", not_broken_,
                                  " regions are open; close some, or raise the limit"),
                     {{"field", "limits.max_open_regions"},
                      {"value", absl::StrCat(not_broken_ + 1)},
                      {"limit", absl::StrCat(options_.max_open_regions)}});
  }
  ++not_broken_;
  std::unique_ptr<Entry>& entry = entries_[key];
  entry = std::make_unique<Entry>();
  PostOpen(key);
  return entry.get();
}

void RegionRegistry::PostOpen(const RegionKey& key) {
  environment_.background->Post([this, key] { Open(key); });
}

void RegionRegistry::Open(const RegionKey& key) {
  const Namespace& in = NamespaceOf(key);
  const RegionPolicy& policy = in.PolicyOf(key.region);
  bool create = false;
  {
    absl::MutexLock lock(&mutex_);
    create = entries_.at(key)->create;
  }
  absl::StatusOr<std::unique_ptr<RegionLog>> log =
      in.engine->OpenRegion(key.region, policy.engine, create);
  if (log.ok()) {
    const OpeningReport report = (*log)->Describe().opening;
    CountOpened(report);
    environment_.events->OnOpened(key, report);
    const ActorOptions options{.key = key,
                               .buffered_sync_interval = policy.buffered_sync_interval,
                               .max_group_bytes = options_.max_group_bytes};
    FinishOpen(key, std::make_shared<RegionActor>(options, *std::move(log), actor_environment_));
  } else if (!create && absl::IsNotFound(log.status())) {
    FinishOpenAbsent(key);
  } else {
    CountNotOpened(log.status());
    FinishOpenFailed(key, log.status());
  }
}

void RegionRegistry::CountOpened(const OpeningReport& report) {
  Statistics& statistics = *environment_.statistics;
  if (report.torn_tail_bytes > 0) Statistics::Add(statistics.torn_tails, 1);
  Statistics::Add(statistics.torn_tail_bytes, report.torn_tail_bytes);
  Statistics::Add(statistics.damaged_ranges, report.damaged.size());
}

void RegionRegistry::CountNotOpened(const absl::Status& why) {
  Statistics& statistics = *environment_.statistics;
  const ErrorReason reason = ErrorReasonOf(why).value_or(ErrorReason::kIoError);
  Statistics::Add(statistics.failed_openings[static_cast<size_t>(reason)], 1);
  if (absl::IsDataLoss(why)) Statistics::Add(statistics.damaged_ranges, 1);
}

void RegionRegistry::FinishOpen(const RegionKey& key, const std::shared_ptr<RegionActor>& actor) {
  Wakeups wakeups;
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = *entries_.at(key);
    entry.actor = actor;
    entry.state = State::kOpen;
    entry.create = false;
    // Under the lock, so that no later job overtakes them.
    while (MailboxJob* job = entry.waiting_jobs.PopFront()) {
      actor->Post(job);
    }
    wakeups = TakeWaiting(entry);
  }
  openings_.Publish(key.region);
  Wake(std::move(wakeups), actor);
}

void RegionRegistry::FinishOpenFailed(const RegionKey& key, const absl::Status& why) {
  const absl::Status told = WithContext(why, absl::StrCat("region ", key.region));
  // A full disk or too few file descriptors pass by themselves; anything else needs somebody to
  // look.
  const bool remember = !absl::IsResourceExhausted(why);
  if (remember) environment_.events->OnBroken(key, why);
  Wakeups wakeups;
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = *entries_.at(key);
    wakeups = TakeWaiting(entry);
    --not_broken_;
    if (remember) {
      entry.state = State::kBroken;
      entry.broken = told;
    } else {
      entries_.erase(key);
    }
  }
  Wake(std::move(wakeups), told);
}

void RegionRegistry::FinishOpenAbsent(const RegionKey& key) {
  Wakeups wakeups;
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = *entries_.at(key);
    if (entry.create) {  // an append came in the meantime
      PostOpen(key);
      return;
    }
    wakeups = TakeWaiting(entry);
    --not_broken_;
    entries_.erase(key);
  }
  Wake(std::move(wakeups), std::shared_ptr<RegionActor>());
}

RegionRegistry::Wakeups RegionRegistry::TakeWaiting(Entry& entry) {
  Wakeups wakeups;
  wakeups.jobs.Splice(entry.waiting_jobs);
  wakeups.finds.swap(entry.waiting_finds);
  wakeups.closes.swap(entry.waiting_closes);
  return wakeups;
}

void RegionRegistry::Wake(Wakeups wakeups,
                          const absl::StatusOr<std::shared_ptr<RegionActor>>& actor) {
  while (MailboxJob* job = wakeups.jobs.PopFront()) {
    if (actor.ok()) {
      job->AnswerAbsent();
    } else {
      job->AnswerRefused(actor.status());
    }
  }
  for (FindCallback& find : wakeups.finds) find(actor);
  for (std::function<void()>& close : wakeups.closes) close();
}

// ---------------------------------------------------------------------------------------------------
// Closing and dropping

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
    closed(ShuttingDown());
  } else {
    CloseUnlessClosed(key, std::move(closed));
  }
}

void RegionRegistry::CloseUnlessClosed(const RegionKey& key, CloseCallback closed) {
  std::shared_ptr<RegionActor> actor;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end()) {
      Entry& entry = *found->second;
      if (entry.state == State::kOpen) {
        entry.state = State::kClosing;
        actor = entry.actor;
      } else if (entry.state == State::kBroken && entry.verifying == 0) {
        entries_.erase(found);
      } else {
        entry.waiting_closes.push_back(
            [this, key, closed = std::move(closed)] { CloseUnlessClosed(key, closed); });
        return;
      }
    }
  }
  if (actor == nullptr) {
    closed(false);
    return;
  }
  actor->Close([this, key, closed = std::move(closed)](const absl::Status& status) {
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
  std::shared_ptr<RegionActor> actor;  // may be the last reference: let go without the lock
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = *entries_.at(key);
    actor = std::move(entry.actor);
    entry.actor = nullptr;
    if (!shutting_down_ && (!entry.waiting_jobs.empty() || !entry.waiting_finds.empty())) {
      entry.state = State::kOpening;
      PostOpen(key);
      return;
    }
    wakeups = TakeWaiting(entry);
    --not_broken_;
    entries_.erase(key);
  }
  Wake(std::move(wakeups), ShuttingDown());
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
      entries_[key] = std::make_unique<Entry>(Entry{.state = State::kClosing});
      ++not_broken_;
    } else if (Entry& entry = *found->second; entry.state == State::kOpen) {
      entry.state = State::kClosing;
      actor = entry.actor;
    } else if (entry.state == State::kBroken && entry.verifying == 0) {
      entry.state = State::kClosing;
      ++not_broken_;
    } else {
      entry.waiting_closes.push_back(
          [this, key, dropped = std::move(dropped)] { Drop(key, dropped); });
      return;
    }
  }
  if (refused) {
    dropped(ShuttingDown());
    return;
  }
  auto drop = [this, key, dropped = std::move(dropped)] {
    environment_.background->Post([this, key, dropped] { DropClosed(key, dropped); });
  };
  if (actor == nullptr) {
    drop();
    return;
  }
  // A log that cannot be synced any more can still be dropped.
  actor->Close([drop = std::move(drop)](const absl::Status&) { drop(); });
}

void RegionRegistry::DropClosed(const RegionKey& key, const CloseCallback& dropped) {
  const absl::StatusOr<bool> existed = NamespaceOf(key).engine->DropRegion(key.region);
  if (existed.ok() && *existed) environment_.events->OnDropped(key);
  FinishClosing(key);
  dropped(existed);
}

absl::Status RegionRegistry::VerifyBroken(const RegionKey& key,
                                          absl::FunctionRef<bool(const VerifyProgress&)> report) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second->state != State::kBroken) {
      return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kRegionFailed,
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

// ---------------------------------------------------------------------------------------------------
// Looking

absl::StatusOr<std::vector<RegionListing>> RegionRegistry::List(const Namespace& of) const {
  const absl::StatusOr<std::vector<RegionId>> stored = of.engine->ListRegions();
  if (!stored.ok()) return stored.status();
  std::map<RegionId, RegionListing> listings;
  for (const RegionId region : *stored) listings[region].region = region;
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, entry] : entries_) {
    if (key.namespace_id != of.id) continue;
    if (entry->state == State::kOpen) {
      RegionListing& listing = listings[key.region];
      listing.region = key.region;
      listing.error = entry->actor->log().Health();
      listing.state =
          listing.error.ok() ? RegionListing::State::kOpen : RegionListing::State::kFailed;
    } else if (entry->state == State::kBroken) {
      listings[key.region] = {key.region, RegionListing::State::kBroken, entry->broken};
    }
  }
  std::vector<RegionListing> result;
  result.reserve(listings.size());
  for (auto& [region, listing] : listings) result.push_back(std::move(listing));
  return result;
}

std::vector<RegionLook> RegionRegistry::Regions() const {
  std::vector<RegionLook> looks;
  absl::MutexLock lock(&mutex_);
  looks.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) {
    switch (entry->state) {
      case State::kOpening:
        looks.push_back({key, RegionLook::State::kOpening, nullptr});
        break;
      case State::kOpen:
        looks.push_back({key, RegionLook::State::kOpen, entry->actor});
        break;
      case State::kClosing:
        looks.push_back({key, RegionLook::State::kClosing, nullptr});
        break;
      case State::kBroken:
        looks.push_back({key, RegionLook::State::kBroken, nullptr, entry->broken});
        break;
    }
  }
  return looks;
}

std::vector<std::shared_ptr<RegionActor>> RegionRegistry::OpenActors() const {
  std::vector<std::shared_ptr<RegionActor>> actors;
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, entry] : entries_) {
    if (entry->state == State::kOpen) actors.push_back(entry->actor);
  }
  return actors;
}

uint64_t RegionRegistry::open_regions() const {
  absl::MutexLock lock(&mutex_);
  return not_broken_;
}

}  // namespace walden
