// Times and durations of requests and answers.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/call/request_checks.h"

namespace walden {

// INVALID_FIELD unless it lies in the years 1 to 9999, as google/protobuf/timestamp.proto demands.
inline absl::Status CheckTime(const google::protobuf::Timestamp& time, absl::string_view field) {
  using google::protobuf::util::TimeUtil;
  if (time.seconds() >= TimeUtil::kTimestampMinSeconds &&
      time.seconds() <= TimeUtil::kTimestampMaxSeconds && time.nanos() >= 0 &&
      time.nanos() < 1'000'000'000) {
    return absl::OkStatus();
  }
  return InvalidField(field, absl::StrCat(time.seconds(), " s ", time.nanos(), " ns"),
                      "must lie in the years 1 to 9999, with nanos of 0 to 999,999,999");
}

// Of a time that was checked. Rounds down.
inline int64_t UnixMillis(const google::protobuf::Timestamp& time) {
  return google::protobuf::util::TimeUtil::TimestampToMilliseconds(time);
}
inline absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

inline google::protobuf::Timestamp ToProtoTime(absl::Time time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

// Longer ones than google/protobuf/duration.proto has, some 10,000 years, become the longest.
inline google::protobuf::Duration ToProtoDuration(absl::Duration duration) {
  using google::protobuf::util::TimeUtil;
  return TimeUtil::MicrosecondsToDuration(
      absl::ToInt64Microseconds(std::min(duration, absl::Seconds(TimeUtil::kDurationMaxSeconds))));
}

}  // namespace walden
