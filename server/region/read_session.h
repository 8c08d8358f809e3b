// Reads a range of one region in chunks of bounded size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log_engine.h"
#include "server/region/region_actor.h"
#include "server/statistics/statistics.h"

namespace walden {

struct SessionLimits {
  uint64_t max_records = UINT64_MAX;
  uint64_t max_payload_bytes = UINT64_MAX;  // the record that reaches it is still visited
  size_t chunk_payload_bytes = size_t{256} << 10;
  // The required kind of the table, for readers of one table. It may be decided while they wait.
  std::optional<TableKind> table_kind;
};

// One thread at a time. Never waits for the region's writer.
class ReadSession {
 public:
  // `statistics` outlives it.
  static absl::StatusOr<std::unique_ptr<ReadSession>> Open(std::shared_ptr<RegionActor> actor,
                                                           const ReadRange& range,
                                                           const SessionLimits& limits,
                                                           Statistics* statistics);
  // A session over an existing reader. Must not Rest.
  static std::unique_ptr<ReadSession> Over(std::shared_ptr<RegionActor> actor,
                                           std::unique_ptr<LogReader> reader,
                                           const SessionLimits& limits, Statistics* statistics);
  ~ReadSession();

  // UNAVAILABLE (REGION_CLOSED): the error of readers whose region was closed or dropped.
  static absl::Status ClosedError(const RegionActor& actor);

  // Visits about one chunk's worth of records, and stops in front of one with a larger payload than
  // `max_record_bytes` (kTooLarge), or after `max_records`. kFinished also when a limit was
  // reached. Records in front of a damaged range, or of deleted ones, are visited first; the error
  // comes with the next call. UNAVAILABLE once the region was closed.
  absl::StatusOr<ReadProgress> Fill(size_t max_record_bytes,
                                    absl::FunctionRef<void(const RecordView&)> visit,
                                    uint64_t max_records = UINT64_MAX);

  // After kFetching: LogReader::WhenFetched.
  void WhenFetched(std::function<void()> ready) { reader_->WhenFetched(std::move(ready)); }

  // From now on the range ends with what is visible now.
  void EndHere() { reader_->EndHere(); }
  // After kTooLarge: payload bytes of the next record.
  size_t too_large_bytes() const { return reader_->too_large_bytes(); }
  SequenceNumber too_large_sequence() const { return reader_->too_large_sequence(); }

  // Releases the reader's memory and files until the next Fill. For readers of one table only.
  void Rest();

  // Of one table: the number that comes next, or a higher one.
  SequenceNumber next() const { return range_.first; }
  uint64_t records() const { return records_; }
  uint64_t payload_bytes() const { return payload_bytes_; }
  const std::shared_ptr<RegionActor>& actor() const { return actor_; }

 private:
  ReadSession(std::shared_ptr<RegionActor> actor, std::unique_ptr<LogReader> reader,
              const ReadRange& range, const SessionLimits& limits, Statistics* statistics);

  const std::shared_ptr<RegionActor> actor_;
  std::unique_ptr<LogReader> reader_;  // null while it rests; destroyed before its log
  ReadRange range_;                    // the rest of the range, while it rests
  const SessionLimits limits_;
  Statistics* const statistics_;
  uint64_t records_ = 0;
  uint64_t payload_bytes_ = 0;
  absl::Status error_;  // returned by the next Fill
};

}  // namespace walden
