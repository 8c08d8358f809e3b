// The latest warnings and errors of the daemon's log, for the status page.
//
// Holds kEvents events with at most kTextBytes of text each. A repeated event (same severity,
// event, namespace and region) is counted in its place, so that a noisy event does not displace the
// others. Holds only what is logged, and secrets are never logged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/log/logging.h"

namespace walden {

struct RecentEvent {
  int64_t unix_millis = 0;  // of the latest time
  LogSeverity severity = LogSeverity::kWarning;
  std::string event;
  std::optional<uint64_t> namespace_id;
  std::optional<uint64_t> region;
  std::string text;    // the latest one's other fields, as in the log
  uint64_t count = 1;  // how often it came
};

// Any thread may use it.
class RecentEvents {
 public:
  static constexpr size_t kEvents = 100;
  static constexpr size_t kTextBytes = 1024;  // longer texts are cut, and end in "..."

  // The instance that Log() adds to. Lives as long as the process.
  static RecentEvents* OfProcess();

  void Add(int64_t unix_millis, LogSeverity severity, absl::string_view event, LogFields fields);

  std::vector<RecentEvent> Latest() const;  // the newest first

 private:
  mutable absl::Mutex mutex_;
  std::list<RecentEvent> events_ ABSL_GUARDED_BY(mutex_);  // the newest first
};

}  // namespace walden
