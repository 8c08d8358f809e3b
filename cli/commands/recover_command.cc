// `walden recover`.
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "cli/client/recovery_check.h"
#include "cli/client/response_stream.h"
#include "cli/commands/commands.h"
#include "cli/commands/read_options.h"
#include "cli/commands/requests.h"
#include "cli/console/failure.h"
#include "cli/console/progress.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/records/recovered_files.h"
#include "cli/reports/region_report.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

struct RecoverOptions {
  uint64_t region = 0;
  std::optional<uint64_t> table;
  std::string output;
  PrintOptions print;
};

class RecoverCommand {
 public:
  RecoverCommand(Session& session, const RecoverOptions& options);

  absl::Status Run();

 private:
  absl::Status Stream();
  absl::Status TakeMessage(const v1::RecoverResponse& message);
  void TakeState(const v1::RegionState& part);
  absl::Status TellState();
  absl::Status TakeRecords(const v1::RecoverResponse& message);
  absl::Status Report();

  Session& session_;
  const RecoverOptions& options_;
  const bool to_files_;
  RecordWriter writer_;
  RecoveredFiles files_;
  RecoveryCheck check_;
  std::optional<v1::RegionState> state_;  // to be told
  Progress progress_;
};

RecordFormatting FormattingOf(const Session& session, const RecoverOptions& options) {
  RecordFormatting formatting = FormattingFor(session, options.print);
  formatting.show_table = formatting.show_sequence && options.output.empty();
  return formatting;
}

RecoverCommand::RecoverCommand(Session& session, const RecoverOptions& options)
    : session_(session),
      options_(options),
      to_files_(!options.output.empty()),
      writer_(session.out(), FormattingOf(session, options)),
      files_(options.output, FormattingOf(session, options)),
      progress_(session.err(), "recovering") {}

absl::Status RecoverCommand::Run() {
  if (to_files_) {
    if (absl::Status opened = files_.Open(); !opened.ok()) return opened;
  }
  absl::Status status = Stream();
  progress_.Clear();
  if (status.ok()) status = check_.Finish();
  if (status.ok() && to_files_) status = files_.Complete();
  if (status.ok()) return Report();
  if (check_.records() == 0) return status;
  return WithContext(status, absl::StrCat("recovery is not complete, ",
                                          Counted(check_.records(), "record"), " came: "));
}

absl::Status RecoverCommand::Stream() {
  auto request = RegionRequest<v1::RecoverRequest>(session_, options_.region);
  if (options_.table.has_value()) request.set_table_id(*options_.table);
  request.set_max_message_bytes(kMaxMessageBytes);

  return RunStream<v1::RecoverResponse>(
      session_.connection(),
      [&](grpc::ClientContext* context) {
        return session_.connection().wal().Recover(context, request);
      },
      [this](const v1::RecoverResponse& message) { return TakeMessage(message); });
}

absl::Status RecoverCommand::TakeMessage(const v1::RecoverResponse& message) {
  if (absl::Status sound = check_.Take(message); !sound.ok()) return sound;
  if (message.has_state()) TakeState(message.state());
  // The parts of the state are all there once something else comes.
  if (message.records().empty() && !message.has_summary()) return absl::OkStatus();
  absl::Status told = TellState();
  return told.ok() ? TakeRecords(message) : told;
}

void RecoverCommand::TakeState(const v1::RegionState& part) {
  if (!state_.has_value()) {
    state_ = part;
    return;
  }
  state_->mutable_tables()->MergeFrom(part.tables());
  state_->mutable_opening()->mutable_damaged_ranges()->MergeFrom(part.opening().damaged_ranges());
}

// Once its parts are there.
absl::Status RecoverCommand::TellState() {
  if (!state_.has_value()) return absl::OkStatus();
  const v1::RegionState state = *std::move(state_);
  state_.reset();
  if (session_.json()) {
    Json line;
    line["state"] = ToJson(state);
    return session_.PrintJson(line);
  }
  session_.Note(absl::StrCat("region ", options_.region, ": ",
                             Counted(static_cast<uint64_t>(state.tables_size()), "table"),
                             ", opened ", OpeningText(state.opening())));
  return absl::OkStatus();
}

absl::Status RecoverCommand::TakeRecords(const v1::RecoverResponse& message) {
  for (const v1::TableLogRecord& record : message.records()) {
    absl::Status written =
        to_files_ ? files_.Write(record.table_id(), record.sequence(), record.payload())
                  : writer_.Write(record.table_id(), record.sequence(), record.payload());
    if (!written.ok()) return written;
  }
  if (!session_.out().is_terminal() || to_files_) {
    progress_.Update({check_.records(), check_.payload_bytes(), 0});
  }
  return absl::OkStatus();
}

absl::Status RecoverCommand::Report() {
  if (session_.json()) {
    Json line;
    line["summary"] = ToJson(check_.summary());
    return session_.PrintJson(line);
  }
  // The records must not be overtaken by what is said about them.
  if (absl::Status flushed = session_.out().Flush(); !flushed.ok()) return flushed;
  const v1::RecoverSummary& summary = check_.summary();
  session_.Note(absl::StrCat("recovered ", Counted(summary.record_count(), "record"), ", ",
                             FormatBytes(summary.payload_bytes()), ", of ",
                             Counted(summary.table_count(), "table"), to_files_ ? " into " : "",
                             options_.output, "; complete"));
  return absl::OkStatus();
}

}  // namespace

void AddRecoverCommand(CommandSet& commands) {
  auto options = std::make_shared<RecoverOptions>();
  Command command = commands.Add(
      "recover",
      "Print every live record of a region, or of one table, as a node needs after a crash.\n"
      "The command checks counts and order. A stream that was cut short is exit code 4.",
      {"walden recover --region 1 --output recovered/", "walden recover -r 1 -t 7 > table7.log",
       "walden recover -r 1 --show-sequence   # table, sequence, payload",
       "walden recover -r 1 --json"});
  command.AddRegion(options->region).Required();
  command.Add("-t,--table", options->table, "Only this table (default: all)")
      .Check(Number())
      .Value("ID");
  command
      .Add("-o,--output", options->output,
           "Write one file per table, table_<id>, into this empty or new directory")
      .Value("DIR");
  AddPrintOptions(command, options->print);
  command.Runs([options](Session& session) { return RecoverCommand(session, *options).Run(); });
}

}  // namespace walden::cli
