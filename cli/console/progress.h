// A progress line with its rate, redrawn in place on a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "cli/console/output.h"

namespace walden::cli {

struct ProgressNumbers {
  uint64_t records = 0;
  uint64_t bytes = 0;
  // Of `bytes`; 0 = not known, then there is no bar.
  uint64_t total_bytes = 0;
};

// "label  [#####.....]  50%  1,000 records  1.0 MiB  500 records/s  0.5 MiB/s  2s left".
// Parts that are not known (no records, no total) are left out. The line has at most `columns`
// characters: it loses its parts one by one, the rate of records first and the percentage last.
std::string ProgressLine(const std::string& label, const ProgressNumbers& numbers,
                         absl::Duration elapsed, size_t columns);

// Draws at most five times a second, and only if `output` is a terminal. One thread at a time.
class Progress {
 public:
  Progress(Output& output, std::string label);
  ~Progress();  // wipes the line, so that what is printed next stands alone
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Update(const ProgressNumbers& numbers);
  void Clear();

  absl::Duration elapsed() const { return absl::Now() - start_; }

 private:
  Output& output_;
  const std::string label_;
  const absl::Time start_;
  absl::Time next_draw_;
  bool drawn_ = false;
};

}  // namespace walden::cli
