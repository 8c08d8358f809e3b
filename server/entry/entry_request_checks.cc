#include "server/entry/entry_request_checks.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/entry/entry_codec.h"
#include "server/call/request_checks.h"
#include "server/call/time_to_proto.h"

namespace walden {
namespace {

absl::Status CheckKey(const std::string& field, absl::string_view key,
                      const RequestLimits& limits) {
  if (key.empty()) return InvalidField(field, "", "must not be empty");
  if (key.size() > limits.max_key_bytes) {
    return OverLimit(field, "entries.max_key_bytes", key.size(), limits.max_key_bytes);
  }
  return absl::OkStatus();
}

absl::Status CheckEntry(const std::string& field, const v1::Entry& entry,
                        const RequestLimits& limits) {
  absl::Status status = CheckKey(field + ".key", entry.key(), limits);
  if (!status.ok()) return status;
  if (entry.tombstone() && !entry.value().empty()) {
    return InvalidField(field + ".value", absl::StrCat(entry.value().size(), " bytes"),
                        "must be empty for a tombstone");
  }
  if (entry.sequence() != 0) {
    return InvalidField(field + ".sequence", absl::StrCat(entry.sequence()),
                        "must be 0 in a put: Walden numbers the entries");
  }
  if (entry.has_create_time()) status = CheckTime(entry.create_time(), field + ".create_time");
  if (status.ok() && entry.has_expire_time()) {
    status = CheckTime(entry.expire_time(), field + ".expire_time");
  }
  return status;
}

entry::EntryView ViewOf(const v1::Entry& entry) {
  entry::EntryView view{
      .kind = entry.tombstone() ? entry::RecordKind::kTombstone : entry::RecordKind::kValue,
      .key = entry.key(),
      .value = entry.value()};
  if (entry.has_create_time()) view.created_unix_ms = UnixMillis(entry.create_time());
  if (entry.has_expire_time()) view.expires_unix_ms = UnixMillis(entry.expire_time());
  return view;
}

// Bytes of all entries, encoded.
absl::StatusOr<uint64_t> CheckEntries(const v1::PutRequest& request, const RequestLimits& limits) {
  const uint64_t count = request.entries_size();
  if (count == 0 && !request.has_producer()) {
    return InvalidField("entries", "0", "must hold at least one entry");
  }
  if (count > limits.max_batch_records) {
    return OverLimit("entries", "limits.max_batch_records", count, limits.max_batch_records);
  }
  uint64_t total = 0;
  for (int i = 0; i < request.entries_size(); ++i) {
    const v1::Entry& entry = request.entries(i);
    const uint64_t bytes = entry::EncodedBytes(ViewOf(entry));
    absl::Status status = absl::OkStatus();
    if (entry.key().empty() || entry.key().size() > limits.max_key_bytes || entry.tombstone() ||
        entry.sequence() != 0 || entry.has_create_time() || entry.has_expire_time()) {
      status = CheckEntry(absl::StrCat("entries[", i, "]"), entry, limits);
    }
    if (status.ok() && bytes > limits.max_payload_bytes) {
      status = OverLimit(absl::StrCat("entries[", i, "]"), "limits.max_payload_bytes", bytes,
                         limits.max_payload_bytes);
    }
    if (!status.ok()) return status;
    total += bytes;
  }
  if (total > limits.max_batch_bytes) {
    return OverLimit("entries", "limits.max_batch_bytes", total, limits.max_batch_bytes);
  }
  return total;
}

}  // namespace

absl::StatusOr<RegionKey> PreparePut(const v1::PutRequest& request, const Call& call,
                                     const RequestLimits& limits, AppendJob& job) {
  const absl::StatusOr<RegionKey> key = PrepareBatch(request, call, job.batch);
  if (!key.ok()) return key.status();
  const absl::StatusOr<uint64_t> bytes = CheckEntries(request, limits);
  if (!bytes.ok()) return bytes.status();
  job.batch.kind = TableKind::kEntries;
  job.payload_bytes = *bytes;
  job.encoded.resize(*bytes);
  job.batch.tables.resize(request.entries().empty() ? 0 : 1);
  if (request.entries().empty()) return key;
  TableAppend& table = job.batch.tables.front();
  FillTable(request, table);
  char* to = job.encoded.data();
  for (const v1::Entry& entry : request.entries()) {
    char* const end = entry::Encode(ViewOf(entry), to);
    table.payloads.emplace_back(to, end - to);
    to = end;
  }
  return key;
}

absl::Status CheckKeys(const v1::GetRequest& request, const RequestLimits& limits) {
  const uint64_t count = request.keys_size();
  if (count == 0) return InvalidField("keys", "0", "must hold at least one key");
  if (count > limits.max_batch_records) {
    return OverLimit("keys", "limits.max_batch_records", count, limits.max_batch_records);
  }
  for (int i = 0; i < request.keys_size(); ++i) {
    if (!request.keys(i).empty() && request.keys(i).size() <= limits.max_key_bytes) continue;
    return CheckKey(absl::StrCat("keys[", i, "]"), request.keys(i), limits);
  }
  return absl::OkStatus();
}

absl::StatusOr<entry::CursorRange> CheckKeyRange(const v1::ScanRequest& request,
                                                 const RequestLimits& limits) {
  entry::CursorRange range{.first_key = request.start_key()};
  if (range.first_key.size() > limits.max_key_bytes) {
    return OverLimit("start_key", "entries.max_key_bytes", range.first_key.size(),
                     limits.max_key_bytes);
  }
  if (!request.has_end_key()) return range;
  range.end_key = request.end_key();
  if (range.end_key->size() > limits.max_key_bytes) {
    return OverLimit("end_key", "entries.max_key_bytes", range.end_key->size(),
                     limits.max_key_bytes);
  }
  if (*range.end_key < range.first_key) {
    return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kBoundsReversed,
                     "start_key lies above end_key",
                     {{"field", "start_key"},
                      {"value", absl::CEscape(range.first_key)},
                      {"limit", absl::CEscape(*range.end_key)}});
  }
  return range;
}

absl::Status NoSuchFlush(TableId table, SequenceNumber flush) {
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kUnknownFlush,
                   absl::StrCat("flush_id ", flush, " is not a flush of table ", table,
                                ", which is empty: finalize the id that Flush answered"),
                   {{"field", "flush_id"}, {"value", absl::StrCat(flush)}});
}

}  // namespace walden
