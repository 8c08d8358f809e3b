#include "cli/commands/read_options.h"

namespace walden::cli {

void AddPrintOptions(CLI::App& command, PrintOptions& options) {
  auto* sequence = command.add_flag("-s,--show-sequence", options.show_sequence,
                                    "Print each record's sequence number and a tab before it");
  command
      .add_flag("--length-delimited", options.length_delimited,
                "Not lines: before each payload its length, u32 big-endian")
      ->excludes(sequence);
}

void AddSkipDeleted(CLI::App& command, bool& skip_deleted) {
  command.add_flag("--skip-deleted", skip_deleted,
                   "Go on behind records that were marked deleted before they were read\n"
                   "(otherwise that is an error that names the first number left)");
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
