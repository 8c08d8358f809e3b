// The control record that opens a group (format.h: kind 2). Pure; any thread.
//
// The head's checksum covers the group's place (namespace, region, segment, position, salt) and the
// headers of the group's records, which hold the checksums of their payloads. So the bytes of a
// group are a group at their own place only.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "engine/segment/segment_header.h"
#include "engine/types.h"

namespace walden::segment {

// How far a log is durable: everything before byte `end` of `segment`, and all earlier segments.
struct DurableThrough {
  uint64_t segment = 0;
  uint32_t end = 0;

  bool operator==(const DurableThrough&) const = default;
};

struct GroupHead {
  SequenceNumber sequence = 0;   // of its first record; if it has none, of the next one to come
  uint32_t bytes = 0;            // from its first byte to the end of its last record
  uint32_t records = 0;          // that follow the head, control records too
  uint32_t previous_end = 0;     // where the group before it ended, or the header
  DurableThrough durable;        // when the group was written
  uint64_t metadata_append = 0;  // number of the metadata's last write, durable by then
  int64_t unix_micros = 0;       // when it was written; never goes back within a region
  uint32_t headers_crc = 0;      // CRC-32C of the records' headers
};

// Writes kGroupHeadBytes.
void PutGroupHead(char* to, const SegmentHeader& segment, uint64_t offset, const GroupHead& head);

// Parses the group head at `offset` of the segment. nullopt if `bytes`, which begin there, do not
// begin with a head that was written there. Does not check the group's records.
std::optional<GroupHead> ParseGroupHead(absl::string_view bytes, const SegmentHeader& segment,
                                        uint64_t offset);

}  // namespace walden::segment
