// `walden tail`.
#include <algorithm>
#include <deque>
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

constexpr uint64_t kMaxLastRecords = 1'000'000;

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
  absl::StatusOr<v1::TablePosition> Position();
  absl::StatusOr<std::deque<v1::Record>> LastRecords(const v1::TablePosition& position);
  v1::ReadRequest ReadFrom(uint64_t sequence) const;
  absl::Status Print(const v1::Record& record);

  Session& session_;
  const TailOptions& options_;
  RecordWriter writer_;
};

absl::Status TailCommand::Run() {
  const auto position = Position();
  if (!position.ok()) return position.status();
  if (IsEmpty(*position)) {
    const absl::Status exists = CheckRegion(session_, options_.region, !options_.no_follow);
    if (!exists.ok()) return exists;
  }
  const auto last = LastRecords(*position);
  if (!last.ok()) return last.status();
  for (const v1::Record& record : *last) {
    if (absl::Status printed = Print(record); !printed.ok()) return printed;
  }
  if (absl::Status flushed = session_.out().Flush(); !flushed.ok()) return flushed;
  if (options_.no_follow) return absl::OkStatus();

  v1::ReadRequest request = ReadFrom(position->next_sequence());
  request.set_follow(true);
  request.set_skip_deleted(options_.skip_deleted);
  absl::Status ended =
      RunRead(session_.connection(), request, [this](const v1::ReadResponse& message) {
        for (const v1::Record& record : message.records()) {
          if (absl::Status printed = Print(record); !printed.ok()) return printed;
        }
        return session_.out().Flush();
      });
  // Ctrl-C is how a tail ends.
  return HasReason(ended, kReasonInterrupted) ? absl::OkStatus() : ended;
}

absl::StatusOr<v1::TablePosition> TailCommand::Position() {
  auto request =
      TableRequest<v1::GetNextSequenceRequest>(session_, options_.region, options_.table);
  v1::GetNextSequenceResponse response;
  Connection& connection = session_.connection();
  absl::Status asked = connection.Unary(&v1::AdminService::Stub::GetNextSequence,
                                        connection.admin(), request, &response);
  if (!asked.ok()) return asked;
  return response.position();
}

// Other tables of the region may own most numbers, so the last N records can lie far apart: look
// back further and further until N were found or nothing lies before.
absl::StatusOr<std::deque<v1::Record>> TailCommand::LastRecords(const v1::TablePosition& position) {
  std::deque<v1::Record> last;
  const uint64_t next = position.next_sequence();
  const uint64_t first = position.first_sequence();
  if (options_.last_records == 0 || first >= next) return last;
  for (uint64_t window = options_.last_records;; window *= 8) {
    const bool everything = next - first <= window;
    v1::ReadRequest request = ReadFrom(everything ? first : next - window);
    request.mutable_end()->set_exclusive(next);
    request.set_skip_deleted(true);  // the last ones are those that are left
    last.clear();
    absl::Status read =
        RunRead(session_.connection(), request, [&](const v1::ReadResponse& message) {
          for (const v1::Record& record : message.records()) {
            last.push_back(record);
            if (last.size() > options_.last_records) last.pop_front();
          }
          return absl::OkStatus();
        });
    if (!read.ok()) return read;
    if (everything || last.size() == options_.last_records || window > UINT64_MAX / 8) return last;
  }
}

v1::ReadRequest TailCommand::ReadFrom(uint64_t sequence) const {
  auto request = TableMessagesRequest<v1::ReadRequest>(session_, options_.region, options_.table);
  request.mutable_start()->set_inclusive(sequence);
  return request;
}

absl::Status TailCommand::Print(const v1::Record& record) {
  return writer_.Write(options_.table, record.sequence(), record.payload());
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
      .Check(Number(0, kMaxLastRecords))
      .Value("N");
  command.AddFlag("--no-follow", options->no_follow, "End after the last records");
  AddSkipDeleted(command, options->skip_deleted);
  AddPrintOptions(command, options->print);
  command.Runs([options](Session& session) { return TailCommand(session, *options).Run(); });
}

}  // namespace walden::cli
