#include "engine/segment/group_reader.h"

#include <algorithm>

#include "base/checksum.h"
#include "engine/segment/format.h"

namespace walden::segment {
namespace {

const char* NotVisited(const ParsedRecord&, uint64_t) { return nullptr; }

absl::StatusOr<std::optional<GroupHead>> HeadAt(FileWindow& window, const SegmentHeader& segment,
                                                uint64_t offset) {
  const auto bytes = window.Peek(offset, kGroupHeadBytes);
  if (!bytes.ok()) return bytes.status();
  return ParseGroupHead(*bytes, segment, offset);
}

// Whether the headers of the group's records are those that its head was written for.
absl::StatusOr<bool> HeadersHold(FileWindow& window, uint64_t offset, const GroupHead& head) {
  const uint64_t end = offset + head.bytes;
  uint64_t at = offset + kGroupHeadBytes;
  uint32_t crc = kCrc32cStart;
  for (uint32_t i = 0; i < head.records; ++i) {
    const auto bytes = window.Peek(at, kHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    if (bytes->size() < kHeaderBytes || at + kHeaderBytes > end) return false;
    crc = Crc32cExtend(crc, bytes->substr(0, kHeaderBytes));
    at += ParseRecordHeader(*bytes).encoded_bytes;
  }
  return at == end && Crc32cFinish(crc) == head.headers_crc;
}

}  // namespace

absl::StatusOr<GroupFound> ReadGroup(FileWindow& window, const SegmentHeader& segment,
                                     uint64_t offset, GroupVisitor visit) {
  const auto head = HeadAt(window, segment, offset);
  if (!head.ok()) return head.status();
  GroupFound found{.head = *head};
  if (!found.head) {
    found.broken = "no group begins there";
    return found;
  }
  const uint64_t end = offset + found.head->bytes;
  uint32_t headers_crc = kCrc32cStart;
  uint32_t records = 0;
  bool more_of_batch = false;
  for (uint64_t at = offset + kGroupHeadBytes; at < end; ++records) {
    auto bytes = window.Peek(at, kHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    ParseResult parsed = ParseRecord(*bytes, end - at);
    if (parsed.outcome == ParseOutcome::kNeedMore) {
      bytes = window.Peek(at, parsed.needed);
      if (!bytes.ok()) return bytes.status();
      if (bytes->size() >= parsed.needed) parsed = ParseRecord(*bytes, end - at);
    }
    switch (parsed.outcome) {
      case ParseOutcome::kRecord:
        break;
      case ParseOutcome::kNeverWritten:
        found.broken = "a part of the group was never written";
        return found;
      case ParseOutcome::kNeedMore:
        found.broken = "the file is cut short";
        return found;
      case ParseOutcome::kInvalid:
        found.broken = parsed.reason;
        return found;
    }
    headers_crc = Crc32cExtend(headers_crc, bytes->substr(0, kHeaderBytes));
    more_of_batch = parsed.record.more_of_batch();
    found.broken = visit(parsed.record, at);
    if (!found.whole()) return found;
    at += parsed.record.encoded_bytes;
  }
  if (records != found.head->records || Crc32cFinish(headers_crc) != found.head->headers_crc) {
    found.broken = "the group's checksum does not match its records";
  } else if (more_of_batch) {
    found.broken = "the rest of a batch is missing";
  }
  return found;
}

absl::StatusOr<bool> ReadBrokenGroup(FileWindow& window, uint64_t offset, const GroupHead& head,
                                     RecordVisitor visit) {
  const auto sound = HeadersHold(window, offset, head);
  if (!sound.ok() || !*sound) return sound;
  const uint64_t end = offset + head.bytes;
  for (uint64_t at = offset + kGroupHeadBytes; at < end;) {
    auto bytes = window.Peek(at, kHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    const ParsedRecord header = ParseRecordHeader(*bytes);
    bytes = window.Peek(at, header.encoded_bytes);
    if (!bytes.ok()) return bytes.status();
    const ParseResult parsed = ParseRecord(*bytes, end - at);
    if (parsed.outcome == ParseOutcome::kRecord) {
      visit(parsed.record, at, nullptr);
    } else {
      visit(header, at,
            parsed.outcome == ParseOutcome::kInvalid ? parsed.reason : "the file is cut short");
    }
    at += header.encoded_bytes;
  }
  return true;
}

absl::StatusOr<GroupSearch> SearchGroups(FileWindow& window, const SegmentHeader& segment,
                                         uint64_t from, uint64_t end, SequenceNumber expected,
                                         bool stop_at_next) {
  GroupSearch search;
  for (uint64_t at = segment.GroupBegin(from); at < std::min(end, window.end());
       at += segment.alignment) {
    const auto head = HeadAt(window, segment, at);
    if (!head.ok()) return head.status();
    if (!head->has_value()) continue;
    if ((*head)->durable.segment == segment.segment && (*head)->durable.end > search.durable_end) {
      search.durable_end = (*head)->durable.end;
      search.durable_next = (*head)->sequence;
    }
    if ((*head)->metadata_append > search.metadata_append) {
      search.metadata_append = (*head)->metadata_append;
      search.metadata_append_at = at;
    }
    if (search.next || (*head)->sequence < expected) continue;
    const auto group = ReadGroup(window, segment, at, NotVisited);
    if (!group.ok()) return group.status();
    if (!group->whole()) continue;
    search.next = GroupSearch::Next{at, (*head)->sequence};
    if (stop_at_next) break;
  }
  return search;
}

}  // namespace walden::segment
