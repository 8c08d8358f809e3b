// Options that `read` and `tail` share.
#pragma once

#include <cstdint>

#include "cli/records/record_writer.h"
#include "cli/session.h"
#include "walden/v1/wal.pb.h"

namespace walden::cli {

struct PrintOptions {
  bool show_sequence = false;
  bool length_delimited = false;
};

void AddPrintOptions(CLI::App& command, PrintOptions& options);
void AddSkipDeleted(CLI::App& command, bool& skip_deleted);

RecordFormatting FormattingFor(const Session& session, const PrintOptions& options);

}  // namespace walden::cli
