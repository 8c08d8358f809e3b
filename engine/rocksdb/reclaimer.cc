#include "engine/rocksdb/reclaimer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/rocksdb/options/rocksdb_errors.h"

namespace walden::rocks {
namespace {

// After this time without new marks also smaller amounts are reclaimed.
constexpr absl::Duration kQuiet = absl::Seconds(5);

// The smaller amount is at least one part in this many of the stored bytes, since flushing and
// compacting have a cost.
constexpr uint64_t kStoredPerQuietReclaim = 8;

uint64_t TableFileBytes(rocksdb::DB& db) {
  uint64_t bytes = 0;
  db.GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &bytes);
  return bytes;
}

}  // namespace

struct Reclaimer::Link {
  absl::Mutex mutex;
  Reclaimer* reclaimer ABSL_GUARDED_BY(mutex) = nullptr;  // null: it is stopped
  bool is_running ABSL_GUARDED_BY(mutex) = false;         // a task is running
};

Reclaimer::Reclaimer(Database* database, std::shared_ptr<const DeletedMarks> marks,
                     Executor* background)
    : database_(database),
      marks_(std::move(marks)),
      background_(background),
      link_(std::make_shared<Link>()) {
  absl::MutexLock lock(&link_->mutex);
  link_->reclaimer = this;
}

Reclaimer::~Reclaimer() { Stop(); }

void Reclaimer::Marked(RegionId region, TableId table, uint64_t bytes, bool is_urgent) {
  const uint64_t stored = StoredBytes();
  const absl::Duration now = database_->environment().clock->Now();
  absl::MutexLock lock(&mutex_);
  waiting_.tables.emplace(region, table);
  bytes_ += bytes;
  is_new_ = true;
  last_mark_ = now;
  if (is_urgent || IsWorthIt(stored)) Post();
}

void Reclaimer::Dropped(RegionId region) {
  absl::MutexLock lock(&mutex_);
  waiting_.dropped.insert(region);
  is_new_ = true;
  Post();
}

void Reclaimer::Loaded() {
  const std::vector<DeletedMark> marks = marks_->All();
  absl::MutexLock lock(&mutex_);
  for (const DeletedMark& mark : marks) waiting_.tables.emplace(mark.region, mark.table);
  has_old_drops_ = true;
  is_new_ = true;
  Post();
}

void Reclaimer::Tick() {
  database_->RemoveObsoleteFiles();
  const uint64_t stored = StoredBytes();
  const absl::Duration now = database_->environment().clock->Now();
  absl::MutexLock lock(&mutex_);
  if (!is_new_ || now - last_mark_ < kQuiet) return;
  const bool is_much = bytes_ > 0 && bytes_ >= stored / kStoredPerQuietReclaim;
  if (is_much || has_old_drops_ || !waiting_.dropped.empty()) Post();
}

bool Reclaimer::IsWorthIt(uint64_t stored) const {
  return bytes_ >= std::max(database_->environment().tuning.reclaim_bytes, stored / 4);
}

uint64_t Reclaimer::StoredBytes() const {
  uint64_t bytes = 0;
  database_->TryWith([&](rocksdb::DB& db) {
    db.GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes);
    bytes += TableFileBytes(db);
  });
  return bytes;
}

uint64_t Reclaimer::waiting_bytes() const {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

void Reclaimer::Post() {
  if (background_ == nullptr || is_posted_ || stopped_) return;
  is_posted_ = true;
  background_->Post([link = link_] {
    Reclaimer* reclaimer = nullptr;
    {
      absl::MutexLock lock(&link->mutex);
      if (link->reclaimer == nullptr) return;
      reclaimer = link->reclaimer;
      link->is_running = true;
    }
    const bool more = reclaimer->Task();
    {
      absl::MutexLock lock(&reclaimer->mutex_);
      reclaimer->is_posted_ = false;
      // Each step is a task of its own, so that other work gets its turn in between.
      if (more) reclaimer->Post();
    }
    absl::MutexLock lock(&link->mutex);
    link->is_running = false;
  });
}

bool Reclaimer::Task() {
  {
    absl::MutexLock lock(&mutex_);
    if (is_running_ || stopped_) return false;
    is_running_ = true;
  }
  bool more = false;
  // Ranges of a failed step are tried again later. If RocksDB takes no writes after the failure,
  // the next write reports it.
  (void)Step(ReclaimEffort::kWorthIt, &more);
  absl::MutexLock lock(&mutex_);
  is_running_ = false;
  return more && !stopped_;
}

absl::Status Reclaimer::Run(ReclaimEffort effort) {
  {
    absl::MutexLock lock(&mutex_);
    const auto is_idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !is_running_; };
    mutex_.Await(absl::Condition(&is_idle));
    if (stopped_) return absl::OkStatus();
    is_running_ = true;
  }
  absl::Status status;
  for (bool more = true; more && status.ok();) status = Step(effort, &more);
  absl::MutexLock lock(&mutex_);
  is_running_ = false;
  return status;
}

absl::Status Reclaimer::Step(ReclaimEffort effort, bool* more) {
  *more = false;
  ReclaimStep step;
  bool is_planned = false;
  {
    absl::MutexLock lock(&mutex_);
    is_planned = !steps_.empty();
    if (is_planned) {
      step = std::move(steps_.back());
      steps_.pop_back();
      bytes_ -= std::min(bytes_, step.deleted_bytes);
    }
  }
  const absl::Status status = is_planned ? Compact(step) : Plan(effort);
  const absl::Duration now = database_->environment().clock->Now();
  absl::MutexLock lock(&mutex_);
  if (is_planned && !status.ok()) {
    bytes_ += step.deleted_bytes;
    has_old_drops_ |= step.holds.empty();
    waiting_.Take(step.holds);
  }
  if (!status.ok() && !absl::IsDataLoss(status)) {
    // The step is tried again later, when there may be room. After damage it waits for the next
    // mark.
    is_new_ = true;
    last_mark_ = now;
  }
  *more = status.ok() && !steps_.empty();
  return status;
}

absl::Status Reclaimer::Plan(ReclaimEffort effort) {
  Reclaimable what;
  bool has_old_drops = false;
  {
    absl::MutexLock lock(&mutex_);
    what.Take(waiting_);
    has_old_drops = std::exchange(has_old_drops_, false);
    bytes_ = 0;
    is_new_ = false;
  }
  if (what.empty() && !has_old_drops) return absl::OkStatus();
  // The flush drops marked records that are in memory, so that RocksDB can remove their log.
  absl::Status status = CanWork();
  if (status.ok())
    status = database_->With([&](rocksdb::DB& db) {
      return FromRocks(db.Flush(rocksdb::FlushOptions()), "reclaiming",
                       database_->shown_directory());
    });
  absl::StatusOr<ReclaimPlan> plan = status.ok() ? PlanReclaim(*database_, *marks_, what, effort)
                                                 : absl::StatusOr<ReclaimPlan>(status);
  if (plan.ok() && has_old_drops) {
    auto old_drops = StepsForOldDrops(*database_);
    if (!old_drops.ok()) plan = old_drops.status();
    if (plan.ok()) {
      plan->steps.insert(plan->steps.end(), std::make_move_iterator(old_drops->begin()),
                         std::make_move_iterator(old_drops->end()));
    }
  }
  absl::MutexLock lock(&mutex_);
  if (!plan.ok()) {
    waiting_.Take(what);
    has_old_drops_ |= has_old_drops;
    return plan.status();
  }
  waiting_.Take(plan->later);
  bytes_ += plan->later_bytes;
  for (const ReclaimStep& step : plan->steps) bytes_ += step.deleted_bytes;
  steps_ = std::move(plan->steps);
  std::reverse(steps_.begin(), steps_.end());
  return absl::OkStatus();
}

absl::Status Reclaimer::CanWork() const {
  const absl::Status health = database_->Health(database_->generation());
  // RocksDB found no room for a table file, but every write succeeded.
  return absl::IsResourceExhausted(health) ? absl::OkStatus() : health;
}

absl::Status Reclaimer::Compact(const ReclaimStep& step) {
  if (absl::Status status = CanWork(); !status.ok()) return status;
  const Database::Environment& env = database_->environment();
  const absl::StatusOr<uint64_t> free = env.file_system->FreeBytes(env.directory);
  if (!free.ok()) return free.status();
  // A compaction writes its output before it removes its input.
  if (*free < step.live_bytes + env.tuning.write_buffer_bytes / 4) {
    return absl::ResourceExhaustedError("no room to compact");
  }
  return database_->With([&](rocksdb::DB& db) {
    const uint64_t before = TableFileBytes(db);
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.canceled = database_->interrupted();
    // kForceOptimized is not used: it leaves out files that an automatic compaction writes
    // meanwhile, and one that began before the mark removes nothing.
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    const rocksdb::Slice begin(step.begin);
    const rocksdb::Slice end(step.end);
    const rocksdb::Status status = db.CompactRange(options, &begin, &end);
    // An estimate, since appends go on meanwhile.
    const uint64_t after = TableFileBytes(db);
    if (after < before) env.observer->OnReclaimed(before - after);
    return FromRocks(status, "reclaiming", database_->shown_directory());
  });
}

void Reclaimer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  database_->Interrupt();
  {
    absl::MutexLock lock(&link_->mutex);
    link_->reclaimer = nullptr;
    const auto is_idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(link_->mutex) {
      return !link_->is_running;
    };
    link_->mutex.Await(absl::Condition(&is_idle));
  }
  absl::MutexLock lock(&mutex_);
  const auto is_idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !is_running_; };
  mutex_.Await(absl::Condition(&is_idle));
}

}  // namespace walden::rocks
