// Checks of requests. Every refusal is INVALID_ARGUMENT and names field, value and limit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "engine/types.h"
#include "server/call/call.h"
#include "server/call/request_limits.h"
#include "server/region/mailbox_job.h"
#include "server/region/region_key.h"
#include "walden/v1/wal.pb.h"

namespace walden {

// The errors INVALID_FIELD and LIMIT_EXCEEDED, also for checks in other files.
absl::Status InvalidField(absl::string_view field, const std::string& value,
                          absl::string_view problem);
absl::Status OverLimit(const std::string& field, absl::string_view limit_name, uint64_t value,
                       uint64_t limit);

absl::StatusOr<Durability> CheckDurability(v1::Durability durability, Durability configured);
absl::Status CheckProducer(const v1::ProducerBatch& producer);

// Copies a request's region_version to `version`; none if it has none. INVALID_FIELD if it is 0.
template <typename Request>
absl::Status TakeRegionVersion(const Request& request, std::optional<uint64_t>& version) {
  version.reset();
  if (!request.has_region_version()) return absl::OkStatus();
  if (request.region_version() == 0) {
    return InvalidField("region_version", "0", "must be at least 1");
  }
  version = request.region_version();
  return absl::OkStatus();
}

// Checks the fields that an append and a put have in common, and copies them to `batch`. What goes
// to which table is not among them.
template <typename Request>
absl::StatusOr<RegionKey> PrepareBatch(const Request& request, const Call& call,
                                       AppendBatch& batch) {
  const absl::StatusOr<EnteredRegion> entered =
      call.EnterRegion(request.namespace_id(), request.region_id());
  if (!entered.ok()) return entered.status();
  const absl::StatusOr<Durability> durability = CheckDurability(
      request.durability(), entered->ns->PolicyOf(request.region_id()).default_durability);
  if (!durability.ok()) return durability.status();
  batch.durability = *durability;
  batch.producer.reset();
  if (request.has_producer()) {
    if (absl::Status status = CheckProducer(request.producer()); !status.ok()) return status;
    batch.producer =
        ProducerTag{request.producer().producer_id(), request.producer().producer_sequence()};
  }
  absl::Status status = TakeRegionVersion(request, batch.region_version);
  if (!status.ok()) return status;
  batch.result = AppendResult{};
  return entered->key;
}

// Of the part of a batch that goes to one table.
template <typename Part>
void FillTable(const Part& part, TableAppend& table) {
  table.table = part.table_id();
  table.payloads.clear();
  table.expected_next_sequence.reset();
  if (part.has_expected_next_sequence()) {
    table.expected_next_sequence = part.expected_next_sequence();
  }
  table.first = 0;
  table.last = 0;
}

// Checks an append and fills `job`. The job's payloads point into `request`.
absl::StatusOr<RegionKey> PrepareAppend(const v1::AppendRequest& request, const Call& call,
                                        const RequestLimits& limits, AppendJob& job);

// Copies a request to take a log over. UNIMPLEMENTED (UNSUPPORTED) where the engine owns what it has
// opened: there is nothing to take over.
absl::Status TakeAcquire(const v1::Acquire& acquire, const LogEngine& engine,
                         AcquireRequest& taken);

// The largest message that gRPC clients take by default.
inline constexpr size_t kDefaultMessageBytes = size_t{4} << 20;
inline constexpr size_t kMinMessageBytes = size_t{4} << 10;

// Returns the size limit of messages to a client, by its request's max_message_bytes. 0 means the
// default. INVALID_FIELD if it is below kMinMessageBytes.
absl::StatusOr<size_t> CheckMessageBytes(uint64_t max_message_bytes);

// The most bytes that a record needs in a message besides its payload: framing, ids, fields of an
// entry.
inline constexpr size_t kMessageOverheadBytes = 128;

// OUT_OF_RANGE (RECORD_TOO_LARGE): a record does not fit one message.
absl::Status RecordTooLarge(SequenceNumber sequence, size_t needed_bytes, size_t message_bytes);

// Both ends are inclusive. The range is empty when first > last.
struct SequenceBounds {
  SequenceNumber first = 0;  // 0: no start was given
  SequenceNumber last = kMaxSequenceNumber;
  bool empty() const { return first > last; }
};

// The first number that a start asks for; 0: no start was given.
SequenceNumber FirstAsked(const v1::Bound& start);

// BOUNDS_REVERSED if the start lies above the end.
absl::StatusOr<SequenceBounds> CheckBounds(const v1::Bound& start, const v1::Bound& end);

}  // namespace walden
