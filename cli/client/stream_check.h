// Checks that a stream of records or entries came to its end.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace walden::cli {

// Counts what comes and compares it with the stream's summary. A stream without a summary was cut,
// and one whose summary counts something else lost something: both are DATA_LOSS
// (INCOMPLETE_STREAM). One thread at a time.
class StreamCheck {
 public:
  // `noun`: what the stream consists of, in the singular.
  explicit StreamCheck(std::string noun) : noun_(std::move(noun)) {}

  // Call for each message, before its parts are counted.
  absl::Status BeginMessage() const;
  void Count(uint64_t bytes) {
    ++count_;
    bytes_ += bytes;
  }
  absl::Status TakeSummary(uint64_t count, uint64_t bytes);

  // At the end of a stream that ended without an error.
  absl::Status Finish() const;

 private:
  const std::string noun_;
  uint64_t count_ = 0;
  uint64_t bytes_ = 0;
  bool has_summary_ = false;
};

}  // namespace walden::cli
