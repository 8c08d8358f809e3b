// Reads a file through one bounded buffer, front to back or at nearby positions. One thread at a
// time.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/io/file_system.h"

namespace walden::segment {

class FileWindow {
 public:
  // Treats bytes from `end` on as if the file ended there.
  FileWindow(const File& file, uint64_t end) : file_(file), end_(end) {}

  // At least `length` bytes at `offset`, usually more; fewer only where the file ends. The bytes
  // stay valid until the next call. An I/O error is an error, never an end.
  absl::StatusOr<absl::string_view> Peek(uint64_t offset, uint64_t length);

  uint64_t end() const { return end_; }

 private:
  const File& file_;
  const uint64_t end_;
  std::vector<char> buffer_;
  uint64_t buffer_offset_ = 0;
  uint64_t buffer_bytes_ = 0;
};

}  // namespace walden::segment
