#include "server/region/region_registry.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/region/shutting_down.h"

namespace walden {
namespace {

// Appends, OpenProducer, fences and marks with a region version need the region to exist: they store
// records, issue an id, or fence.
bool CreatesRegion(const MailboxJob& job) {
  switch (job.kind()) {
    case MailboxJob::Kind::kAppend:
    case MailboxJob::Kind::kOpenProducer:
    case MailboxJob::Kind::kFence:
      return true;
    case MailboxJob::Kind::kMarkDeleted:
      return static_cast<const MarkDeletedJob&>(job).region_version.has_value();
    case MailboxJob::Kind::kSync:
    case MailboxJob::Kind::kNoteDurable:
    case MailboxJob::Kind::kAcquire:
    case MailboxJob::Kind::kRelease:
      return false;
  }
  return false;
}

}  // namespace

RegionRegistry::RegionRegistry(const RegistryOptions& options, NamespaceSet namespaces,
                               const RegistryEnvironment& environment)
    : options_(options),
      environment_(environment),
      admission_(options.mailbox_bytes),
      leaders_(options.leader_slots),
      actor_environment_{environment.actors,     this,
                         environment.statistics, &leaders_,
                         environment.entries,    environment.clock},
      namespaces_(std::move(namespaces)) {}

RegionRegistry::~RegionRegistry() = default;

const Namespace& RegionRegistry::NamespaceOf(const RegionKey& key) const {
  return *namespaces_.Find(key.namespace_id);
}

void RegionRegistry::Submit(const RegionKey& key, MailboxJob* job, LeadingTurn* lead) {
  const absl::Status admitted = admission_.Admit(job, NamespaceOf(key).disk.get());
  if (!admitted.ok()) {
    Statistics::Add(environment_.statistics->refused_batches, 1);
    job->AnswerRefused(admitted);
    return;
  }
  job->counted_in_ = &environment_.statistics->waiting_jobs;
  Statistics::Add(*job->counted_in_, 1);
  const bool is_append = job->kind() == MailboxJob::Kind::kAppend;
  const bool creates = CreatesRegion(*job);
  while (true) {
    Route route;
    {
      absl::MutexLock lock(&mutex_);
      route = FindRoute(key);
      if (route.waits_at != nullptr) {
        route.waits_at->create |= creates;
        route.waits_at->waiting_jobs.PushBack(job);
        return;
      }
    }
    if (route.actor == nullptr) {
      if (is_append) Statistics::Add(environment_.statistics->refused_batches, 1);
      job->AnswerRefused(route.refused);
      return;
    }
    // Refuses only after the entry left kOpen, so this does not spin.
    if (route.actor->Post(job, lead)) return;
  }
}

void RegionRegistry::Find(const RegionKey& key, FindCallback found) {
  Route route;
  {
    absl::MutexLock lock(&mutex_);
    route = FindRoute(key);
    if (route.waits_at != nullptr) {
      route.waits_at->waiting_finds.push_back(std::move(found));
      return;
    }
  }
  if (route.actor == nullptr) {
    found(route.refused);
  } else {
    found(std::move(route.actor));
  }
}

RegionRegistry::Route RegionRegistry::FindRoute(const RegionKey& key) {
  if (shutting_down_) return {.refused = ShuttingDownError()};
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    std::unique_ptr<Entry>& entry = entries_[key];
    entry = std::make_unique<Entry>();
    OpenOnceThereIsRoom(key, *entry);
    return {.waits_at = entry.get()};
  }
  Entry& entry = *found->second;
  if (entry.state == State::kOpen) {
    entry.last_use = ++uses_;
    return {.actor = entry.actor};
  }
  if (entry.state == State::kBroken) return {.refused = entry.broken};
  return {.waits_at = &entry};
}

// ---------------------------------------------------------------------------------------------------
// Opening

void RegionRegistry::PostOpen(const RegionKey& key) {
  environment_.background->Post([this, key] { Open(key); });
}

// Whether the opening must wait until the namespace is open or has failed.
bool RegionRegistry::WaitsForNamespace(const RegionKey& key, const Namespace& ns) {
  if (ns.late == nullptr || ns.late->is_open() || ns.late->is_decided()) return false;
  ns.late->WhenDecided([this, key] {
    absl::MutexLock lock(&mutex_);
    // The calls were refused meanwhile because the daemon is shutting down.
    if (entries_.contains(key)) PostOpen(key);
  });
  return true;
}

void RegionRegistry::Open(const RegionKey& key) {
  const Namespace& ns = NamespaceOf(key);
  if (WaitsForNamespace(key, ns)) return;
  bool create = false;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;  // the daemon shut down while it waited for its namespace
    create = TakeCreate(ns, key, *found->second);
  }
  if (ns.late != nullptr && !ns.late->is_open()) {
    FinishOpenFailed(key, ns.late->Failure(), /*remember=*/false);
    return;
  }
  const RegionPolicy& policy = ns.PolicyOf(key.region);
  ns.engine->OpenRegion(
      key.region,
      {.options = policy.engine, .create = create, .on_change = [this, key] { OnLogChanged(key); }},
      [this, key, create](absl::StatusOr<std::unique_ptr<RegionLog>> log) {
        FinishOpening(key, create, std::move(log));
      });
}

void RegionRegistry::FinishOpening(const RegionKey& key, bool create,
                                   absl::StatusOr<std::unique_ptr<RegionLog>> log) {
  if (log.ok()) {
    const OpeningReport report = (*log)->Describe().opening;
    CountOpened(report);
    environment_.events->OnOpened(key, report);
    const RegionPolicy& policy = NamespaceOf(key).PolicyOf(key.region);
    const ActorOptions options{.key = key,
                               .buffered_sync_interval = policy.buffered_sync_interval,
                               .max_group_bytes = options_.max_group_bytes};
    ActorEnvironment environment = actor_environment_;
    if (NamespaceOf(key).actors != nullptr) environment.executor = NamespaceOf(key).actors;
    FinishOpen(key, std::make_shared<RegionActor>(options, *std::move(log), environment), report);
  } else if (!create && absl::IsNotFound(log.status())) {
    FinishOpenAbsent(key);
  } else {
    CountNotOpened(log.status());
    // A full disk and a lack of file descriptors are temporary: the next call tries again.
    FinishOpenFailed(key, log.status(), !absl::IsResourceExhausted(log.status()));
  }
}

void RegionRegistry::OnLogChanged(const RegionKey& key) {
  std::shared_ptr<RegionActor> actor;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end()) actor = found->second->actor;
  }
  if (actor != nullptr) actor->OnLogChanged();
}

// Whether a waiting job creates the region. An append that the region could not hold does not: it
// must leave nothing behind.
bool RegionRegistry::TakeCreate(const Namespace& ns, const RegionKey& key, Entry& entry) {
  if (!std::exchange(entry.create, false)) return false;
  const RegionOptions& options = ns.PolicyOf(key.region).engine;
  for (MailboxJob* job = entry.waiting_jobs.front(); job != nullptr; job = JobList::Next(job)) {
    if (!CreatesRegion(*job)) continue;
    if (job->kind() != MailboxJob::Kind::kAppend) return true;
    AppendJob& append = *static_cast<AppendJob*>(job);
    append.fits_no_region = ns.engine->CheckFitsNewRegion(options, append.batch);
    if (append.fits_no_region.ok()) return true;
  }
  return false;
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

void RegionRegistry::FinishOpen(const RegionKey& key, const std::shared_ptr<RegionActor>& actor,
                                const OpeningReport& report) {
  Wakeups wakeups;
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = *entries_.at(key);
    entry.actor = actor;
    entry.state = State::kOpen;
    entry.create = false;
    entry.last_use = ++uses_;
    entry.opened_at = environment_.clock->Now();
    entry.records_scanned = report.records_scanned;
    entry.bytes_scanned = report.bytes_scanned;
    entry.had_torn_tail = report.torn_tail_bytes > 0;
    entry.was_quarantined = !report.damaged.empty();
    // Under the lock, so that no later job overtakes them.
    while (MailboxJob* job = entry.waiting_jobs.PopFront()) {
      actor->Post(job);
    }
    wakeups = TakeWaiting(entry);
  }
  // What was told before the actor could be found.
  actor->OnLogChanged();
  openings_.Publish(key.region);
  Wake(std::move(wakeups), actor);
}

void RegionRegistry::FinishOpenFailed(const RegionKey& key, const absl::Status& why,
                                      bool remember) {
  const absl::Status told = WithContext(why, absl::StrCat("region ", key.region));
  if (remember) environment_.events->OnBroken(key, why);
  Wakeups wakeups;
  Planned planned = Planned::kNot;
  uint32_t attempt = 0;
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = *entries_.at(key);
    wakeups = TakeWaiting(entry);
    ReleaseSlot(entry);
    if (remember) {
      entry.state = State::kBroken;
      entry.broken = told;
      entry.create = false;
      if (MayPassByItself(why)) planned = PlanReopening(key, entry);
      attempt = entry.failures;
    } else {
      entries_.erase(key);
    }
  }
  ReportPlanned(key, planned, attempt);
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
    ReleaseSlot(entry);
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
      listing.actor = entry->actor;
      listing.error = entry->actor->log().Health();
      listing.state =
          listing.error.ok() ? RegionListing::State::kOpen : RegionListing::State::kFailed;
    } else if (entry->state == State::kBroken) {
      listings[key.region] = {
          .region = key.region, .state = RegionListing::State::kBroken, .error = entry->broken};
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
  return used_slots_;
}

}  // namespace walden
