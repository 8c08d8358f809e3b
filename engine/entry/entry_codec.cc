#include "engine/entry/entry_codec.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/big_endian.h"
#include "base/error.h"

namespace walden::entry {
namespace {

constexpr char kMarker[] = {static_cast<char>(kVersion),
                            static_cast<char>(RecordKind::kFlushMarker), 0, 0, 0};
static_assert(sizeof(kMarker) == kHeaderBytes);

uint8_t FlagsOf(const EntryView& entry) {
  return (entry.created_unix_ms ? kHasCreated : 0) | (entry.expires_unix_ms ? kHasExpires : 0);
}

size_t TimestampsBytes(uint8_t flags) {
  return ((flags & kHasCreated) != 0 ? kTimestampBytes : 0) +
         ((flags & kHasExpires) != 0 ? kTimestampBytes : 0);
}

char* PutTimestamp(std::optional<int64_t> unix_ms, char* to) {
  if (!unix_ms) return to;
  PutU64(to, static_cast<uint64_t>(*unix_ms));
  return to + kTimestampBytes;
}

char* PutBytes(absl::string_view bytes, char* to) {
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

}  // namespace

size_t EncodedBytes(const EntryView& entry) {
  return kHeaderBytes + TimestampsBytes(FlagsOf(entry)) + entry.key.size() + entry.value.size();
}

char* Encode(const EntryView& entry, char* to) {
  to[0] = static_cast<char>(kVersion);
  to[kKindOffset] = static_cast<char>(entry.kind);
  to[kFlagsOffset] = static_cast<char>(FlagsOf(entry));
  PutBigEndian(to + kKeyLengthOffset, static_cast<uint16_t>(entry.key.size()));
  to = PutTimestamp(entry.created_unix_ms, to + kHeaderBytes);
  to = PutTimestamp(entry.expires_unix_ms, to);
  return PutBytes(entry.value, PutBytes(entry.key, to));
}

absl::string_view FlushMarker() { return {kMarker, sizeof(kMarker)}; }

std::optional<EntryView> Decode(absl::string_view payload) {
  if (payload.size() < kHeaderBytes || static_cast<uint8_t>(payload[0]) != kVersion) {
    return std::nullopt;
  }
  EntryView entry;
  entry.kind = static_cast<RecordKind>(payload[kKindOffset]);
  const auto flags = static_cast<uint8_t>(payload[kFlagsOffset]);
  const size_t key_bytes = GetBigEndian<uint16_t>(payload.data() + kKeyLengthOffset);
  if (entry.kind == RecordKind::kFlushMarker) {
    return payload == FlushMarker() ? std::optional(entry) : std::nullopt;
  }
  if (entry.kind != RecordKind::kValue && entry.kind != RecordKind::kTombstone) return std::nullopt;
  if ((flags & ~(kHasCreated | kHasExpires)) != 0 || key_bytes == 0) return std::nullopt;
  payload.remove_prefix(kHeaderBytes);
  if (payload.size() < TimestampsBytes(flags) + key_bytes) return std::nullopt;
  if ((flags & kHasCreated) != 0) {
    entry.created_unix_ms = static_cast<int64_t>(GetU64(payload.data()));
    payload.remove_prefix(kTimestampBytes);
  }
  if ((flags & kHasExpires) != 0) {
    entry.expires_unix_ms = static_cast<int64_t>(GetU64(payload.data()));
    payload.remove_prefix(kTimestampBytes);
  }
  entry.key = payload.substr(0, key_bytes);
  entry.value = payload.substr(key_bytes);
  if (entry.kind == RecordKind::kTombstone && !entry.value.empty()) return std::nullopt;
  return entry;
}

absl::Status NotAnEntry(TableId table, SequenceNumber sequence) {
  return MakeError(
      absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
      absl::StrCat(
          "record ", sequence, " of table ", table,
          " is no row entry that this version can read: it was written by a newer version, "
          "or is damaged"),
      {{"first_sequence", absl::StrCat(sequence)}, {"last_sequence", absl::StrCat(sequence)}});
}

}  // namespace walden::entry
