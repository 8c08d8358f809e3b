// Standard output, standard error or a file: buffered, every failed write reported.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace walden::cli {

// One thread at a time. SIGPIPE must be ignored in this process.
class Output {
 public:
  // `fd` stays the caller's. `name` is for error messages.
  Output(int fd, std::string name);
  ~Output();  // flushes; call Flush() yourself to learn whether it worked
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // OUTPUT_CLOSED when the reading end of a pipe is gone. After a failure everything is refused
  // with the same error.
  absl::Status Write(absl::string_view bytes);
  absl::Status Flush();
  // Flushes, and makes a file durable; of pipes and terminals nothing more is known.
  absl::Status Sync();

  bool is_terminal() const { return is_terminal_; }

 private:
  absl::Status WriteAll(absl::string_view bytes);

  static constexpr size_t kBufferBytes = 256 * 1024;

  const int fd_;
  const std::string name_;
  const bool is_terminal_;
  std::string buffer_;
  absl::Status failure_;
};

}  // namespace walden::cli
