// Turns batches into records, and records into groups (format.h).
//
// One thread at a time. Small payloads are copied next to their headers. Large payloads are pointed
// at, and must stay valid until the pieces were written by one gathering write.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/log_engine.h"
#include "engine/segment/group_head.h"
#include "engine/types.h"

namespace walden::segment {

// Bytes that a batch takes in a segment.
uint64_t EncodedBatchBytes(const AppendBatch& batch);

struct RecordHeader {
  uint8_t flags = 0;
  TableId table = 0;
  SequenceNumber sequence = 0;
};

class RecordWriter {
 public:
  // Makes room for `record_bytes` encoded bytes. Call it before a group, since pieces point into
  // the room.
  void Reserve(uint64_t record_bytes);

  // Opens a group and leaves room for its head, kGroupHeadBytes that Reserve must have counted.
  void BeginGroup();
  // Fills in the head of the group, which begins at `offset` of the segment, and pads the group
  // with zeros. Sets length, count and checksums of the head; the caller sets its other fields.
  void FinishGroup(const SegmentHeader& segment, uint64_t offset, GroupHead head);

  void AddRecord(const RecordHeader& header, absl::string_view payload);
  void AddProducer(const RecordHeader& header, uint64_t producer_id, uint64_t producer_sequence);

  // The bytes that were added since Clear, in order.
  absl::Span<const absl::string_view> pieces();
  uint64_t size() const { return size_; }
  bool in_group() const { return in_group_; }

  void Clear();

 private:
  char* Extend(size_t bytes);
  void CountInGroup(const char* header);

  std::string room_;
  size_t used_ = 0;
  size_t piece_begin_ = 0;  // start in room_ of the piece being filled
  std::vector<absl::string_view> pieces_;
  uint64_t size_ = 0;

  // The group that is open. It begins at the front of room_.
  bool in_group_ = false;
  uint32_t group_records_ = 0;
  uint32_t headers_crc_ = 0;
};

}  // namespace walden::segment
