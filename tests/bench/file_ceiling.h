// What the disk gives without a log on it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tests/bench/measurement.h"

namespace walden::bench {

// A file that is written from front to back, each write made durable, and again from the front when
// it is full. One thread.
class WrittenFile {
 public:
  // Every block of it is written and made durable here, so that later writes only overwrite.
  static absl::StatusOr<WrittenFile> Create(const std::string& path, uint64_t size);

  // Blocks are allocated but were never written.
  static absl::StatusOr<WrittenFile> CreateFresh(const std::string& path, uint64_t size);

  WrittenFile(WrittenFile&& other) noexcept;
  WrittenFile& operator=(WrittenFile&& other) noexcept;
  ~WrittenFile();

  // One pwritev and one fdatasync.
  absl::Status WriteAndSync(absl::string_view bytes);

  bool HasRoomFor(uint64_t bytes) const { return position_ + bytes <= size_; }

 private:
  WrittenFile(int descriptor, uint64_t size) : descriptor_(descriptor), size_(size) {}

  int descriptor_;
  uint64_t size_;
  uint64_t position_ = 0;
};

// pwritev + fdatasync of `bytes_per_sync` at a time for `seconds`, into a file below `directory` of
// the size of a segment. `value` is MB/s of the bytes synced.
enum class Blocks { kWrittenBefore, kFreshlyAllocated };
absl::StatusOr<Measurement> MeasureSyncedWrites(const std::string& directory,
                                                uint64_t bytes_per_sync, Blocks blocks,
                                                double seconds);

// read(2) of whole files, one after the other, 1 MiB at a time, in one thread.
struct SequentialRead {
  uint64_t bytes = 0;
  double seconds = 0;
};
absl::StatusOr<SequentialRead> ReadFiles(const std::vector<std::string>& paths);

// The segments of every region below the segment engine's folder, sorted; no spares, no metadata.
std::vector<std::string> SegmentFilesBelow(const std::string& directory);

}  // namespace walden::bench
