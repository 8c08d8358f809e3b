// Turns batches into records (format.h).
//
// One thread at a time. Small payloads are copied beside their headers, large ones are pointed at,
// so that the pieces go to one gathering write; payload bytes must stay valid until then.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/types.h"

namespace walden::segment {

// Bytes that a batch takes in a segment.
uint64_t EncodedBatchBytes(absl::Span<const absl::string_view> payloads, bool has_producer);

struct RecordHeader {
  uint8_t flags = 0;
  TableId table = 0;
  SequenceNumber sequence = 0;
};

class RecordWriter {
 public:
  // Before a group: room for `record_bytes` encoded bytes. Pieces point into the room.
  void Reserve(uint64_t record_bytes);

  void AddRecord(const RecordHeader& header, absl::string_view payload);
  void AddProducer(const RecordHeader& header, uint64_t producer_id, uint64_t producer_sequence);

  // What was added since Clear, in order.
  absl::Span<const absl::string_view> pieces();
  uint64_t size() const { return size_; }

  void Clear();

 private:
  char* Extend(size_t bytes);

  std::string room_;
  size_t used_ = 0;
  size_t piece_begin_ = 0;  // start in room_ of the piece being filled
  std::vector<absl::string_view> pieces_;
  uint64_t size_ = 0;
};

}  // namespace walden::segment
