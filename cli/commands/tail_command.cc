// `walden tail`.
#include <memory>

#include "absl/status/statusor.h"
#include "cli/client/run_read.h"
#include "cli/commands/commands.h"
#include "cli/commands/read_options.h"
#include "cli/commands/requests.h"
#include "cli/console/failure.h"
#include "cli/records/record_writer.h"

namespace walden::cli {
namespace {

struct TailOptions {
  uint64_t region = 0;
  uint64_t table = 0;
  uint64_t last_records = 10;
  bool no_follow = false;
  bool skip_deleted = false;
  PrintOptions print;
};

class TailCommand {
 public:
  TailCommand(Session& session, const TailOptions& options)
      : session_(session),
        options_(options),
        writer_(session.out(), FormattingFor(session, options.print)) {}

  absl::Status Run();

 private:
  absl::StatusOr<v1::ReadRequest> Request();
  absl::StatusOr<uint64_t> NextSequence();
  absl::Status Take(const v1::ReadResponse& message);

  Session& session_;
  const TailOptions& options_;
  RecordWriter writer_;
  bool is_first_message_ = true;
  absl::Status exists_;  // the region
};

absl::Status TailCommand::Run() {
  const auto request = Request();
  if (!request.ok()) return request.status();
  absl::Status ended = RunRead(session_.connection(), *request,
                               [this](const v1::ReadResponse& message) { return Take(message); });
  // Ctrl-C is how a tail ends.
  if (HasReason(ended, kReasonInterrupted)) return absl::OkStatus();
  return ended.ok() ? exists_ : ended;
}

absl::StatusOr<v1::ReadRequest> TailCommand::Request() {
  auto request = TableMessagesRequest<v1::ReadRequest>(session_, options_.region, options_.table);
  request.set_follow(!options_.no_follow);
  request.set_skip_deleted(options_.skip_deleted);
  if (options_.last_records > 0) {
    request.set_last_records(options_.last_records);
    return request;
  }
  const auto next = NextSequence();
  if (!next.ok()) return next.status();
  request.mutable_start()->set_inclusive(*next);
  return request;
}

absl::StatusOr<uint64_t> TailCommand::NextSequence() {
  auto request =
      TableRequest<v1::GetTablePositionRequest>(session_, options_.region, options_.table);
  v1::GetTablePositionResponse response;
  Connection& connection = session_.connection();
  absl::Status asked = connection.Unary(&v1::AdminService::Stub::GetTablePosition,
                                        connection.admin(), request, &response);
  if (!asked.ok()) return asked;
  return response.position().next_sequence();
}

// Heartbeats and caught-up marks have no records: nothing is printed for them.
absl::Status TailCommand::Take(const v1::ReadResponse& message) {
  if (is_first_message_ && IsEmpty(message.position())) {
    exists_ = CheckRegion(session_, options_.region, !options_.no_follow);
  }
  is_first_message_ = false;
  if (!exists_.ok()) return exists_;
  for (const v1::LogRecord& record : message.records()) {
    absl::Status printed = writer_.Write(options_.table, record.sequence(), record.payload());
    if (!printed.ok()) return printed;
  }
  return session_.out().Flush();
}

}  // namespace

void AddTailCommand(CommandSet& commands) {
  auto options = std::make_shared<TailOptions>();
  Command command = commands.Add(
      "tail",
      "Print the last records of a table, then new ones as they come, until Ctrl-C.\n"
      "If the region does not exist, the command says so and waits until it is written; with\n"
      "--no-follow that is an error.",
      {"walden tail --region 1 --table 1", "walden tail -r 1 -t 1 -n 0 --json",
       "walden tail -r 1 -t 1 -n 100 --no-follow"});
  command.AddRegion(options->region).Required();
  command.AddTable(options->table).Required();
  command.Add("-n,--last", options->last_records, "Number of last records to print (default 10)")
      .Check(Number())
      .Value("N");
  command.AddFlag("--no-follow", options->no_follow, "End after the last records");
  AddSkipDeleted(command, options->skip_deleted);
  AddPrintOptions(command, options->print);
  command.Runs([options](Session& session) { return TailCommand(session, *options).Run(); });
}

}  // namespace walden::cli
