#include "server/call/request_checks.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {
absl::Status InvalidField(absl::string_view field, const std::string& value,
                          absl::string_view problem) {
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                   absl::StrCat(field, " ", problem),
                   {{"field", std::string(field)}, {"value", value}});
}

absl::Status OverLimit(const std::string& field, absl::string_view limit_name, uint64_t value,
                       uint64_t limit) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, ErrorReason::kLimitExceeded,
      absl::StrCat(field, " has ", value, ", and ", limit_name, " is ", limit),
      {{"field", field}, {"value", absl::StrCat(value)}, {"limit", absl::StrCat(limit)}});
}

namespace {

// The payloads of one batch, counted while it is checked.
class PayloadCheck {
 public:
  explicit PayloadCheck(const RequestLimits& limits) : limits_(limits) {}

  absl::Status Check(const v1::TableAppend& table, int index) {
    const uint64_t count = table.payloads_size();
    if (count == 0) {
      return InvalidField(absl::StrCat("tables[", index, "].payloads"), "0",
                          "must hold at least one record");
    }
    records_ += count;
    if (records_ > limits_.max_batch_records) {
      return OverLimit("payloads", "limits.max_batch_records", records_, limits_.max_batch_records);
    }
    for (int i = 0; i < table.payloads_size(); ++i) {
      const uint64_t size = table.payloads(i).size();
      if (size > limits_.max_payload_bytes) {
        return OverLimit(absl::StrCat("tables[", index, "].payloads[", i, "]"),
                         "limits.max_payload_bytes", size, limits_.max_payload_bytes);
      }
      bytes_ += size;
    }
    if (bytes_ > limits_.max_batch_bytes) {
      return OverLimit("payloads", "limits.max_batch_bytes", bytes_, limits_.max_batch_bytes);
    }
    return absl::OkStatus();
  }

  uint64_t bytes() const { return bytes_; }

 private:
  const RequestLimits& limits_;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
};

absl::Status CheckEachOnce(const google::protobuf::RepeatedPtrField<v1::TableAppend>& tables) {
  if (tables.size() < 2) return absl::OkStatus();
  absl::flat_hash_set<TableId> seen;
  for (int i = 0; i < tables.size(); ++i) {
    if (seen.insert(tables[i].table_id()).second) continue;
    return InvalidField(absl::StrCat("tables[", i, "].table_id"),
                        absl::StrCat(tables[i].table_id()),
                        "is there twice: a batch has one part for each table");
  }
  return absl::OkStatus();
}

struct BoundValue {
  bool set = false;
  bool exclusive = false;
  uint64_t value = 0;
};

BoundValue ValueOf(const v1::Bound& bound) {
  switch (bound.limit_case()) {
    case v1::Bound::kInclusive:
      return {true, false, bound.inclusive()};
    case v1::Bound::kExclusive:
      return {true, true, bound.exclusive()};
    case v1::Bound::LIMIT_NOT_SET:
      break;
  }
  return {};
}

}  // namespace

absl::StatusOr<RegionKey> PrepareAppend(const v1::AppendRequest& request, const Call& call,
                                        const RequestLimits& limits, AppendJob& job) {
  const absl::StatusOr<RegionKey> key = PrepareBatch(request, call, job.batch);
  if (!key.ok()) return key.status();
  if (request.tables().empty() && !request.has_producer()) {
    return InvalidField("tables", "0", "must hold at least one table with a record");
  }
  if (static_cast<size_t>(request.tables_size()) > kMaxTablesPerBatch) {
    return OverLimit("tables", "the limit of a batch", request.tables_size(), kMaxTablesPerBatch);
  }
  PayloadCheck check(limits);
  for (int i = 0; i < request.tables_size(); ++i) {
    if (absl::Status status = check.Check(request.tables(i), i); !status.ok()) return status;
  }
  if (absl::Status status = CheckEachOnce(request.tables()); !status.ok()) return status;
  job.batch.kind = TableKind::kLog;
  job.batch.tables.resize(request.tables_size());
  for (int i = 0; i < request.tables_size(); ++i) {
    const v1::TableAppend& part = request.tables(i);
    FillTable(part, job.batch.tables[i]);
    job.batch.tables[i].payloads.assign(part.payloads().begin(), part.payloads().end());
  }
  job.payload_bytes = check.bytes();
  return key;
}

absl::Status TakeAcquire(const v1::Acquire& acquire, const LogEngine& engine,
                         AcquireRequest& taken) {
  if (absl::Status status = TakeRegionVersion(acquire, taken.region_version); !status.ok()) {
    return status;
  }
  if (!engine.opening_owns()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnimplemented, ErrorReason::kUnsupported,
                   "acquire takes a log over from another daemon, and the logs of this namespace's "
                   "engine always belong to this one: ask without it",
                   {{"field", "acquire"}, {"value", ""}});
}

absl::StatusOr<Durability> CheckDurability(v1::Durability durability, Durability configured) {
  switch (durability) {
    case v1::DURABILITY_UNSPECIFIED:
      return configured;
    case v1::DURABILITY_SYNC:
      return Durability::kSync;
    case v1::DURABILITY_BUFFERED:
      return Durability::kBuffered;
    default:
      return InvalidField("durability", absl::StrCat(static_cast<int>(durability)),
                          "is not a durability that this version knows");
  }
}

absl::Status CheckProducer(const v1::ProducerBatch& producer) {
  if (producer.producer_id() == 0) {
    return InvalidField("producer.producer_id", "0", "must not be 0; OpenProducer issues ids");
  }
  if (producer.producer_sequence() == 0) {
    return InvalidField("producer.producer_sequence", "0", "must not be 0; it counts from 1");
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> CheckMessageBytes(uint64_t max_message_bytes) {
  if (max_message_bytes == 0) return kDefaultMessageBytes;
  if (max_message_bytes >= kMinMessageBytes) return max_message_bytes;
  return MakeError(
      absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
      absl::StrCat("max_message_bytes is ", max_message_bytes, ", and must be 0 (the default, ",
                   kDefaultMessageBytes, ") or ", kMinMessageBytes, " at least"),
      {{"field", "max_message_bytes"},
       {"value", absl::StrCat(max_message_bytes)},
       {"limit", absl::StrCat(kMinMessageBytes)}});
}

absl::Status RecordTooLarge(SequenceNumber sequence, size_t needed_bytes, size_t message_bytes) {
  return MakeError(absl::StatusCode::kOutOfRange, ErrorReason::kRecordTooLarge,
                   absl::StrCat("record ", sequence, " needs a message of ", needed_bytes,
                                " bytes, and max_message_bytes is ", message_bytes,
                                ": ask with a higher one, from a client that takes it"),
                   {{"sequence", absl::StrCat(sequence)},
                    {"needed_bytes", absl::StrCat(needed_bytes)},
                    {"field", "max_message_bytes"},
                    {"limit", absl::StrCat(message_bytes)}});
}

SequenceNumber FirstAsked(const v1::Bound& start) {
  const BoundValue from = ValueOf(start);
  if (!from.set) return 0;
  if (from.exclusive && from.value >= kMaxSequenceNumber) return kMaxSequenceNumber;
  return std::max<SequenceNumber>(1, from.value + (from.exclusive ? 1 : 0));
}

absl::StatusOr<SequenceBounds> CheckBounds(const v1::Bound& start, const v1::Bound& end) {
  const BoundValue from = ValueOf(start);
  const BoundValue to = ValueOf(end);
  if (from.set && to.set && from.value > to.value) {
    return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kBoundsReversed,
                     absl::StrCat("start (", from.value, ") lies above end (", to.value, ")"),
                     {{"field", "start"},
                      {"value", absl::StrCat(from.value)},
                      {"limit", absl::StrCat(to.value)}});
  }
  constexpr SequenceBounds kNothing{.first = 1, .last = 0};
  SequenceBounds bounds;
  if (from.set) {
    if (from.exclusive && from.value >= kMaxSequenceNumber) return kNothing;
    bounds.first = FirstAsked(start);
  }
  if (to.set) {
    if (to.value == 0) return kNothing;
    bounds.last = std::min(kMaxSequenceNumber, to.value - (to.exclusive ? 1 : 0));
  }
  return std::max<SequenceNumber>(1, bounds.first) > bounds.last ? kNothing : bounds;
}

}  // namespace walden
