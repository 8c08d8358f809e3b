// Times and durations of protobuf messages.
//
// Everything here is safe from any thread.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace walden::cli {

absl::Time TimeOf(const google::protobuf::Timestamp& timestamp);
absl::Duration DurationOf(const google::protobuf::Duration& duration);

// To the nanosecond, rounded down. `time` is of the years 1 to 9999.
google::protobuf::Timestamp TimestampOf(absl::Time time);

// From milliseconds since the Unix epoch, which is how options keep moments.
inline google::protobuf::Timestamp TimestampOfUnixMillis(uint64_t millis) {
  return TimestampOf(absl::FromUnixMillis(static_cast<int64_t>(millis)));
}

}  // namespace walden::cli
