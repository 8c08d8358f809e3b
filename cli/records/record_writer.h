// Formats records that came from the daemon.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cli/console/output.h"

namespace walden::cli {

enum class RecordFormat {
  kLines,            // payload and a newline
  kLengthDelimited,  // u32 big-endian length and payload, what `append --length-delimited` takes
  kJson,             // {"table":1,"sequence":2,"payload":"..."}, or "payload_base64"
};

struct RecordFormatting {
  RecordFormat format = RecordFormat::kLines;
  bool show_sequence = false;  // kLines only: "sequence<TAB>" before each payload
  bool show_table = false;     // kLines only: "table<TAB>" before that
};

// Appends one formatted record to `to`. Any thread.
void FormatRecord(const RecordFormatting& formatting, uint64_t table, uint64_t sequence,
                  absl::string_view payload, std::string& to);

// One thread at a time.
class RecordWriter {
 public:
  RecordWriter(Output& output, RecordFormatting formatting)
      : output_(output), formatting_(formatting) {}

  absl::Status Write(uint64_t table, uint64_t sequence, absl::string_view payload);

 private:
  Output& output_;
  const RecordFormatting formatting_;
  std::string formatted_;
};

}  // namespace walden::cli
