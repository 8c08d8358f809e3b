// An operation of a region that a history began, and its answer once it is there.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log_engine.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

struct Operation {
  enum class Kind { kCommit, kMark, kOpenProducer, kFence, kSync, kNoteDurable, kClose };

  Kind kind = Kind::kCommit;
  std::vector<Batch> group = {};                          // kCommit
  std::vector<TableMark> marks = {};                      // kMark
  std::optional<uint64_t> region_version = std::nullopt;  // kMark, kOpenProducer, kFence

  // The answer.
  bool answered = false;
  std::vector<BatchResult> results = {};                                             // kCommit
  absl::StatusOr<std::vector<SequenceNumber>> made = std::vector<SequenceNumber>();  // kMark
  absl::StatusOr<uint64_t> id = 0;  // kOpenProducer
  absl::Status status = {};         // the others
};

}  // namespace walden::testing
