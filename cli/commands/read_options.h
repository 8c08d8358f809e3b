// Options that `read` and `tail` share.
#pragma once

#include <cstdint>

#include "cli/commands/command.h"
#include "cli/records/record_writer.h"
#include "cli/session.h"
#include "walden/v1/wal.pb.h"

namespace walden::cli {

struct PrintOptions {
  bool show_sequence = false;
  bool length_delimited = false;
};

void AddPrintOptions(Command command, PrintOptions& options);
void AddSkipDeleted(Command command, bool& skip_deleted);

bool IsEmpty(const v1::TablePosition& position);

// NOT_FOUND if the region was never written. With `waits`, notes that on standard error instead.
absl::Status CheckRegion(Session& session, uint64_t region, bool waits);

RecordFormatting FormattingFor(const Session& session, const PrintOptions& options);

}  // namespace walden::cli
