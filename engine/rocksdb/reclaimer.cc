#include "engine/rocksdb/reclaimer.h"

#include <algorithm>
#include <utility>

#include "engine/rocksdb/status.h"
#include "rocksdb/convenience.h"

namespace walden::rocks {
namespace {

// Ranges that wait are joined past this many, so that they stay a short list; what lies between two
// joined ones is compacted for nothing.
constexpr size_t kMaxRanges = 256;

// A compaction takes about this many table files at once.
constexpr uint64_t kFilesRewritten = 25;

// Neighbours become one.
void Join(std::vector<KeyRange>& ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const KeyRange& a, const KeyRange& b) { return a.begin < b.begin; });
  std::vector<KeyRange> joined;
  for (KeyRange& range : ranges) {
    if (!joined.empty() && range.begin <= joined.back().end) {
      joined.back().end = std::max(joined.back().end, std::move(range.end));
    } else {
      joined.push_back(std::move(range));
    }
  }
  if (joined.size() > kMaxRanges) {
    joined.front().end = joined.back().end;
    joined.resize(1);
  }
  ranges = std::move(joined);
}

uint64_t TableFileBytes(rocksdb::DB& db) {
  uint64_t bytes = 0;
  db.GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &bytes);
  return bytes;
}

}  // namespace

Reclaimer::Reclaimer(Store* store, Executor* background) : store_(store), background_(background) {}

Reclaimer::~Reclaimer() { Stop(); }

void Reclaimer::Deleted(KeyRange range, uint64_t bytes) {
  uint64_t stored = 0;
  (void)store_->With([&](rocksdb::DB& db) {
    stored = TableFileBytes(db);
    return absl::OkStatus();
  });
  absl::MutexLock lock(&mutex_);
  ranges_.push_back(std::move(range));
  if (ranges_.size() > 2 * kMaxRanges) Join(ranges_);
  bytes_ += bytes;
  const uint64_t worth = std::max(store_->environment().tuning.reclaim_bytes, stored / 4);
  if (background_ == nullptr || posted_ || stopped_ || bytes_ < worth) return;
  posted_ = true;
  background_->Post([this] {
    // What fails is tried again with the next mark; a write that fails because of it says so.
    (void)Run();
    absl::MutexLock done(&mutex_);
    posted_ = false;
  });
}

uint64_t Reclaimer::waiting_bytes() const {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

absl::Status Reclaimer::Run() {
  std::vector<KeyRange> ranges;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return absl::OkStatus();
    ranges.swap(ranges_);
    bytes_ = 0;
  }
  if (ranges.empty()) return absl::OkStatus();
  Join(ranges);
  bool compacted = false;
  const absl::Status status = Reclaim(ranges, &compacted);
  if (status.ok() && compacted) return status;
  absl::MutexLock lock(&mutex_);
  ranges_.insert(ranges_.end(), ranges.begin(), ranges.end());
  return status;
}

absl::Status Reclaimer::Reclaim(const std::vector<KeyRange>& ranges, bool* compacted) {
  const Store::Environment& env = store_->environment();
  const absl::StatusOr<uint64_t> free = env.file_system->FreeBytes(env.directory);
  if (!free.ok()) return free.status();
  return store_->With([&](rocksdb::DB& db) {
    rocksdb::Status status = db.Flush(rocksdb::FlushOptions());
    const uint64_t before = TableFileBytes(db);
    std::vector<rocksdb::Slice> ends;
    for (const KeyRange& range : ranges) {
      ends.emplace_back(range.begin);
      ends.emplace_back(range.end);
    }
    std::vector<rocksdb::RangePtr> whole_files;
    for (size_t i = 0; i < ends.size(); i += 2) whole_files.emplace_back(&ends[i], &ends[i + 1]);
    if (status.ok()) {
      status = rocksdb::DeleteFilesInRanges(&db, db.DefaultColumnFamily(), whole_files.data(),
                                            whole_files.size(), /*include_end=*/false);
    }
    // What it rewrites at a time, before it lets go of what it read.
    const uint64_t rewritten =
        std::min(TableFileBytes(db), kFilesRewritten * env.tuning.write_buffer_bytes);
    if (*free < rewritten + env.tuning.write_buffer_bytes) {
      return FromRocks(status, "reclaiming", store_->shown_directory());
    }
    *compacted = true;
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.canceled = &canceled_;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    for (size_t i = 0; i < ends.size() && status.ok(); i += 2) {
      status = db.CompactRange(options, &ends[i], &ends[i + 1]);
    }
    // About: appends go on meanwhile.
    const uint64_t after = TableFileBytes(db);
    if (after < before) env.observer->OnReclaimed(before - after);
    return FromRocks(status, "reclaiming", store_->shown_directory());
  });
}

void Reclaimer::Stop() {
  canceled_.store(true);
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !posted_; };
  mutex_.Await(absl::Condition(&idle));
}

}  // namespace walden::rocks
