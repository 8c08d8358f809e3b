#include "cli/commands/read_options.h"

#include "absl/strings/str_cat.h"
#include "cli/client/admin_pages.h"

namespace walden::cli {

void AddPrintOptions(Command command, PrintOptions& options) {
  const Option sequence =
      command.AddFlag("-s,--show-sequence", options.show_sequence,
                      "Print each record's sequence number and a tab before it");
  command
      .AddFlag("--length-delimited", options.length_delimited,
               "Print the length of each payload before it (u32, big-endian), not lines")
      .Excludes(sequence);
}

void AddSkipDeleted(Command command, bool& skip_deleted) {
  command.AddFlag("--skip-deleted", skip_deleted,
                  "Go on after records that were marked deleted before they were read. Without it\n"
                  "that is an error, which names the first number that is left");
}

bool IsEmpty(const v1::TablePosition& position) {
  return position.first_live_sequence() >= position.next_sequence();
}

absl::Status CheckRegion(Session& session, uint64_t region, bool waits) {
  const absl::Status exists =
      CheckRegionExists(session.connection(), session.common().namespace_id, region);
  if (exists.ok() || !waits) return exists;
  session.Note(absl::StrCat("region ", region, " does not exist; waiting until it is written"));
  return absl::OkStatus();
}

RecordFormatting FormattingFor(const Session& session, const PrintOptions& options) {
  RecordFormatting formatting;
  formatting.format = session.common().json      ? RecordFormat::kJson
                      : options.length_delimited ? RecordFormat::kLengthDelimited
                                                 : RecordFormat::kLines;
  formatting.show_sequence = options.show_sequence;
  return formatting;
}

}  // namespace walden::cli
