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

// `bytes` begins at the position; `room` is how many bytes the file has from there (bytes.size()
// may be fewer).
ParseResult ParseRecord(absl::string_view bytes, uint64_t room);

// Reads the header alone, kHeaderBytes that are known to be one. There is no payload.
ParsedRecord ParseRecordHeader(absl::string_view header);

struct ProducerControl {
  uint64_t id = 0;
  uint64_t sequence = 0;
};

// Of a control record. nullopt: a kind that this version does not know.
std::optional<ProducerControl> ParseProducerControl(const ParsedRecord& record);

}  // namespace walden::segment
