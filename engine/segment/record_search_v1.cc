#include "engine/segment/record_search_v1.h"

#include <algorithm>

#include "base/big_endian.h"
#include "engine/segment/format_v1.h"
#include "engine/segment/record_parser.h"

namespace walden::segment::v1 {
namespace {

constexpr uint64_t kStepBytes = 64 << 10;

size_t CountLeadingZeros(absl::string_view bytes) {
  const size_t at = bytes.find_first_not_of('\0');
  return at == absl::string_view::npos ? bytes.size() : at;
}

bool Plausible(absl::string_view header, uint64_t offset, const Continuation& continuation) {
  const auto version = static_cast<uint8_t>(header[0]);
  if ((version & kVersionMask) != kRecordVersion) return false;
  const SequenceNumber sequence = GetU64(header.data() + kSequenceOffset);
  return sequence >= continuation.expected &&
         ((version & kJump) != 0 || sequence <= continuation.HighestAt(offset));
}

}  // namespace

SequenceNumber Continuation::HighestAt(uint64_t offset) const {
  return std::max(expected, reserved + 1) + (offset - damage_begin) / kMinRecordBytes + 1;
}

absl::StatusOr<std::optional<FoundRecord>> FindRecord(FileWindow& window, uint64_t from,
                                                      const Continuation& continuation) {
  uint64_t at = from;
  while (at + kMinRecordBytes <= window.end()) {
    absl::StatusOr<absl::string_view> bytes = window.Peek(at, kStepBytes);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < kMinRecordBytes) return std::nullopt;
    const size_t zeros = CountLeadingZeros(*bytes);
    if (zeros > 0) {
      at += zeros;
      continue;
    }
    // Positions whose header is wholly in view.
    size_t i = 0;
    for (; i + kHeaderBytes <= bytes->size(); ++i) {
      if (Plausible(bytes->substr(i), at + i, continuation)) break;
    }
    at += i;
    if (i + kHeaderBytes > bytes->size()) continue;
    const uint64_t room = window.end() - at;
    ParseResult parsed = ParseRecord(bytes->substr(i), room);
    if (parsed.outcome == ParseOutcome::kNeedMore) {
      bytes = window.Peek(at, parsed.needed);
      if (!bytes.ok()) return bytes.status();
      if (bytes->size() >= parsed.needed) parsed = ParseRecord(*bytes, room);
    }
    if (parsed.outcome == ParseOutcome::kRecord) {
      return FoundRecord{at, parsed.record.sequence, (parsed.record.flags & kBarrier) != 0};
    }
    ++at;
  }
  return std::nullopt;
}

absl::StatusOr<bool> FindBarrier(FileWindow& window, uint64_t from,
                                 const Continuation& continuation) {
  while (true) {
    const auto found = FindRecord(window, from, continuation);
    if (!found.ok()) return found.status();
    if (!found->has_value()) return false;
    if ((*found)->barrier) return true;
    from = (*found)->offset + kMinRecordBytes;
  }
}

}  // namespace walden::segment::v1
