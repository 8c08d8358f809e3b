// Counters of the daemon since it started.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/error.h"
#include "base/histogram.h"
#include "server/statistics/method.h"

namespace walden {

// Any thread may add and read; each number is exact, numbers read together may be moments apart.
struct Statistics {
  using Counter = std::atomic<uint64_t>;

  Counter appended_batches{0};  // accepted, retries answered with their original numbers included
  Counter appended_records{0};
  Counter appended_payload_bytes{0};
  Counter refused_batches{0};
  Counter retried_batches{0};  // of the accepted ones: retries
  Counter commits{0};          // groups handed to an engine
  Counter syncs{0};  // of those, groups that had to be durable, and syncs asked for by themselves
  // Of one group.
  Histogram commit_batches{CountBounds()};
  Histogram commit_payload_bytes{SizeBounds()};
  Histogram commit_nanos{DurationBounds()};
  Counter waiting_jobs{0};  // a level: jobs of mailboxes that are not answered yet
  Counter read_records{0};
  Counter read_payload_bytes{0};
  Counter open_readers{0};      // a level, not a count
  Counter retention_rounds{0};  // of a region, in which something was deleted
  Counter retention_records{0};
  Counter retention_bytes{0};
  Counter retention_failures{0};

  // Of one method.
  struct Calls {
    static constexpr size_t kCodes = 17;  // gRPC's, 0 to 16
    std::array<Counter, kCodes> ended{};
    Counter open{0};  // a level
    Histogram duration_nanos{DurationBounds()};
    // Streams of batches: each request, from its arrival to its answer.
    Histogram request_nanos{DurationBounds()};
  };
  std::array<Calls, kMethods> calls;

  // Regions.
  Counter failed_regions{0};                             // take no appends any more
  std::array<Counter, kErrorReasons> failed_openings{};  // by reason
  Counter torn_tails{0};
  Counter torn_tail_bytes{0};
  Counter damaged_ranges{0};  // that openings found

  // Refusals by reason, of whole calls and of single requests in a stream.
  std::array<Counter, kErrorReasons> refused{};

  static void Add(Counter& counter, uint64_t n) { counter.fetch_add(n, std::memory_order_relaxed); }
  static void Subtract(Counter& counter, uint64_t n) {
    counter.fetch_sub(n, std::memory_order_relaxed);
  }

  Calls& Of(Method method) { return calls[static_cast<size_t>(method)]; }
  const Calls& Of(Method method) const { return calls[static_cast<size_t>(method)]; }

  // Counts an error that MakeError made, by its reason.
  void CountRefusal(const absl::Status& status) {
    if (const auto reason = ErrorReasonOf(status); reason.has_value()) {
      Add(refused[static_cast<size_t>(*reason)], 1);
    }
  }
};

}  // namespace walden
