// Room set aside on the disk as a file, to be given up when the disk is full. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/file_system.h"

namespace walden::rocks {

inline constexpr char kReserveFile[] = "walden_reserve";

class DiskReserve {
 public:
  // Makes no file yet. With `bytes` 0 there is no reserve.
  DiskReserve(FileSystem* files, std::string path, uint64_t bytes);

  // Makes the file unless it is there. Without room for it, or on an error, there is no reserve
  // until the next call: no other call depends on it.
  void Make() ABSL_LOCKS_EXCLUDED(mutex_);

  // Removes the file, also if an earlier process made it.
  void Spend() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  FileSystem* const files_;
  const std::string path_;
  const uint64_t bytes_;
  absl::Mutex mutex_;
  bool made_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace walden::rocks
