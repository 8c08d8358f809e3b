// Segment files made ahead, so that the writer seldom waits for one.
//
// All blocks of a spare are allocated. Unless segments are used up very fast a spare is also filled
// with zeros: a write into blocks that were written before syncs faster, since the file system has
// no metadata to write. At high rates the bandwidth is better left to the log
// (docs/decisions/0003-spare-segments.md). Spares are in a directory of their own until a region
// takes one by rename. An error with spares is reported and stops nothing: segments are then made
// in place, as for a region whose directory is on another file system. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "engine/io/disk_space.h"
#include "engine/io/file_system.h"
#include "engine/observer.h"
#include "engine/segment/segment_header.h"

namespace walden::segment {

class SparePool {
 public:
  // If `background` is null, every segment is made when it is needed, without zeros. If `disk` is
  // null, files are made as long as there is any room.
  SparePool(FileSystem* file_system, Clock* clock, std::string directory, uint64_t spare_bytes,
            size_t spare_count, Executor* background, const DiskSpace* disk,
            EngineObserver* observer);
  ~SparePool();  // waits for background work

  // Creates the directory, removes what an earlier process left, starts making spares.
  void Start();

  // Puts a segment file of header.bytes bytes at `path`, in place of any file there, and writes the
  // header, whose alignment it sets to that of the disk. The file is durable on return, its name is
  // not. DISK_FULL if there is no room, DISK_RESERVE if the file would take from the reserve; then
  // no file is left. Sets `was_prepared`, if given, to whether the file was a spare.
  absl::Status Take(SegmentHeader& header, const std::string& path, bool* was_prepared = nullptr);

  // The number of spares that are ready.
  size_t ready() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return ready_.size();
  }

 private:
  void Refill() ABSL_LOCKS_EXCLUDED(mutex_);
  void StartRefill() ABSL_LOCKS_EXCLUDED(mutex_);
  std::string NextPath() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Prepare();
  absl::Status Make(const std::string& path, uint64_t bytes, bool fill);
  absl::Status WriteHeader(const std::string& path, SegmentHeader& header);

  FileSystem* const file_system_;
  Clock* const clock_;
  const std::string directory_;
  const uint64_t spare_bytes_;
  const size_t spare_count_;
  Executor* const background_;
  const DiskSpace* const disk_;
  EngineObserver* const observer_;

  mutable absl::Mutex mutex_;
  absl::Duration last_take_ ABSL_GUARDED_BY(mutex_);
  bool fill_ ABSL_GUARDED_BY(mutex_) = true;  // the next spare
  std::vector<std::string> ready_ ABSL_GUARDED_BY(mutex_);
  bool refilling_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t made_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace walden::segment
