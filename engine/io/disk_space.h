// Keeps a reserve of a disk free. Below the reserve no appends and files are taken, so that marks,
// closing and evidence of damage never meet a full disk. An object watches the disk of one
// directory. The same reserve holds on every other disk that is mounted inside the directory.
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
  // Samples the disk once. A reserve of 0 bytes refuses nothing.
  DiskSpace(FileSystem* file_system, std::string directory, uint64_t reserve_bytes);

  // Samples the disk's free bytes. Call it several times a second. After an error the last sample
  // holds.
  absl::Status Sample();

  // Whether appends may be taken, by the last sample. RESOURCE_EXHAUSTED (DISK_RESERVE) once less
  // than the reserve is free, until a little more than the reserve is. Costs one load.
  absl::Status CheckAppends() const {
    return is_low_.load(std::memory_order_relaxed) ? LowError() : absl::OkStatus();
  }

  // Whether a file of `bytes` bytes may be allocated in a directory. Samples the disk of that
  // directory, which may be another one. DISK_RESERVE if less than the reserve would stay free.
  absl::Status CheckAllocation(const std::string& directory, uint64_t bytes) const;

  // The setters below take effect with the next sample.
  void set_reserve_bytes(uint64_t bytes) { configured_.store(bytes); }
  // Limits the reserve to a quarter of the disk. For a default reserve, so that a small disk stays
  // usable.
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
  mutable std::atomic<uint64_t> total_bytes_{UINT64_MAX};  // unknown until the first sample
  mutable std::atomic<uint64_t> free_bytes_{UINT64_MAX};   // unknown until the first sample
  mutable std::atomic<bool> is_low_{false};
};

}  // namespace walden
