#include "cli/records/record_writer.h"

#include "absl/strings/str_cat.h"
#include "cli/console/json.h"
#include "nlohmann/json.hpp"

namespace walden::cli {

void FormatRecord(const RecordFormatting& formatting, uint64_t table, uint64_t sequence,
                  absl::string_view payload, std::string& to) {
  switch (formatting.format) {
    case RecordFormat::kJson: {
      Json line;
      line["table"] = table;
      line["sequence"] = sequence;
      SetBytes(line, "payload", payload);
      to += JsonLine(line);
      return;
    }
    case RecordFormat::kLengthDelimited: {
      const auto size = static_cast<uint32_t>(payload.size());
      for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<char>(size >> shift));
      to.append(payload.data(), payload.size());
      return;
    }
    case RecordFormat::kLines: {
      if (formatting.show_table) absl::StrAppend(&to, table, "\t");
      if (formatting.show_sequence) absl::StrAppend(&to, sequence, "\t");
      absl::StrAppend(&to, payload, "\n");
      return;
    }
  }
}

absl::Status RecordWriter::Write(uint64_t table, uint64_t sequence, absl::string_view payload) {
  formatted_.clear();
  FormatRecord(formatting_, table, sequence, payload, formatted_);
  return output_.Write(formatted_);
}

}  // namespace walden::cli
