// How much of a disk must stay free: below that nothing new is taken, so that what makes room again
// (marks, closing, evidence of damage) never meets a full disk. One object is of one directory's
// disk; the same reserve holds on every other disk that a directory inside is mounted from.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "engine/io/file_system.h"

namespace walden {

// Any thread. `file_system` outlives it.
class DiskSpace {
 public:
  // Looks at the disk once. A reserve of 0 bytes refuses nothing.
  DiskSpace(FileSystem* file_system, std::string directory, uint64_t reserve_bytes);

  // Looks again; to be called several times a second. An error leaves what the last look found and
  // is returned.
  absl::Status Sample();

  // Whether appends may be taken, as of the last look: RESOURCE_EXHAUSTED (DISK_RESERVE) from the
  // moment that less than the reserve is free until a little more than it is. Costs one load.
  absl::Status CheckAppends() const {
    return is_low_.load(std::memory_order_relaxed) ? LowError() : absl::OkStatus();
  }

  // Whether a file of `bytes` may be allocated in a directory; looks at the disk that it is on,
  // which need not be that of this object's. DISK_RESERVE if less than the reserve would stay free.
  absl::Status CheckAllocation(const std::string& directory, uint64_t bytes) const;

  // Both hold from the next look on.
  void set_reserve_bytes(uint64_t bytes) { configured_.store(bytes); }
  // Whether the reserve is at most a quarter of the disk: for one that nobody chose, so that it
  // leaves a small disk usable.
  void set_at_most_a_quarter(bool is) { at_most_a_quarter_.store(is); }
  const std::string& directory() const { return directory_; }
  uint64_t reserve_bytes() const { return ReserveOn(total_bytes_.load(std::memory_order_relaxed)); }
  uint64_t free_bytes() const { return free_bytes_.load(std::memory_order_relaxed); }
  bool is_low() const { return is_low_.load(std::memory_order_relaxed); }

 private:
  void Note(uint64_t free) const;
  absl::Status LowError() const;
  static absl::Status Low(const std::string& directory, uint64_t free, uint64_t reserve,
                          uint64_t wanted_bytes);
  uint64_t ReserveOn(uint64_t total_bytes) const {
    const uint64_t bytes = configured_.load(std::memory_order_relaxed);
    return at_most_a_quarter_.load(std::memory_order_relaxed) ? std::min(bytes, total_bytes / 4)
                                                              : bytes;
  }

  FileSystem* const file_system_;
  const std::string directory_;
  std::atomic<uint64_t> configured_;
  std::atomic<bool> at_most_a_quarter_{false};
  mutable std::atomic<uint64_t> total_bytes_{UINT64_MAX};  // unknown until the first look
  mutable std::atomic<uint64_t> free_bytes_{UINT64_MAX};   // unknown until the first look
  mutable std::atomic<bool> is_low_{false};
};

}  // namespace walden
