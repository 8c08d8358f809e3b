// Reads one record (format.h) out of bytes. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "engine/types.h"

namespace walden::segment {

struct ParsedRecord {
  uint8_t flags = 0;
  TableId table = 0;
  SequenceNumber sequence = 0;
  absl::string_view payload;  // for a control record: its value without the value version
  uint64_t encoded_bytes = 0;

  bool more_of_batch() const;
  bool control() const;
  bool jump() const;
};

// The outcome of parsing the bytes at a position.
enum class ParseOutcome {
  kRecord,
  kNeverWritten,  // the version byte is 0
  kNeedMore,      // the header is plausible, `needed` bytes must be there to decide
  kInvalid,       // `reason`
};

struct ParseResult {
  ParseOutcome outcome = ParseOutcome::kInvalid;
  ParsedRecord record;
  uint64_t needed = 0;
  const char* reason = "";
};

// Parses the record at the front of `bytes`. `room` is the number of bytes from there to the end of
// the file; `bytes` may hold fewer.
ParseResult ParseRecord(absl::string_view bytes, uint64_t room);

// Reads a record's header, kHeaderBytes that are known to be sound. The result has no payload.
ParsedRecord ParseRecordHeader(absl::string_view header);

struct ProducerControl {
  uint64_t id = 0;
  uint64_t sequence = 0;
};

// Reads a producer's control record. nullopt if the record is of another kind.
std::optional<ProducerControl> ParseProducerControl(const ParsedRecord& record);

}  // namespace walden::segment
