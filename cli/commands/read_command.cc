// `walden read`.
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/client/admin_pages.h"
#include "cli/client/run_read.h"
#include "cli/commands/commands.h"
#include "cli/commands/read_options.h"
#include "cli/commands/requests.h"
#include "cli/console/message_times.h"
#include "cli/console/progress.h"
#include "cli/records/record_writer.h"

namespace walden::cli {
namespace {

struct ReadOptions {
  uint64_t region = 0;
  uint64_t table = 0;
  std::optional<uint64_t> from;
  std::optional<uint64_t> after;
  std::optional<uint64_t> to;
  std::optional<uint64_t> before;
  std::optional<uint64_t> last;
  std::optional<uint64_t> since_unix_millis;
  uint64_t limit = 0;
  uint64_t max_bytes = 0;
  bool follow = false;
  bool skip_deleted = false;
  PrintOptions print;
};

v1::ReadRequest RequestFor(const Session& session, const ReadOptions& options) {
  auto request = TableMessagesRequest<v1::ReadRequest>(session, options.region, options.table);
  if (options.from.has_value()) request.mutable_start()->set_inclusive(*options.from);
  if (options.after.has_value()) request.mutable_start()->set_exclusive(*options.after);
  if (options.last.has_value()) request.set_last_records(*options.last);
  if (options.since_unix_millis.has_value()) {
    *request.mutable_start_time() = TimestampOfUnixMillis(*options.since_unix_millis);
  }
  if (options.to.has_value()) request.mutable_end()->set_inclusive(*options.to);
  if (options.before.has_value()) request.mutable_end()->set_exclusive(*options.before);
  request.set_max_records(options.limit);
  request.set_max_bytes(options.max_bytes);
  request.set_follow(options.follow);
  request.set_skip_deleted(options.skip_deleted);
  return request;
}

// With --skip-deleted: what was passed over, at the beginning or on the way. `wanted`: the number
// that should come next, 0 for any; becomes the one that does, so that heartbeats repeat no note.
void NoteDeleted(Session& session, const v1::TablePosition& position, uint64_t& wanted) {
  if (wanted == 0 || wanted > position.deleted_through()) return;
  wanted = position.first_live_sequence();
  session.Note(absl::StrCat("note: records through ", position.deleted_through(),
                            " are deleted; the log goes on at ", position.first_live_sequence()));
}

absl::Status Run(Session& session, const ReadOptions& options) {
  RecordWriter writer(session.out(), FormattingFor(session, options.print));
  Progress progress(session.err(), "reading");
  // On a terminal the records themselves show the progress.
  const bool show_progress = !session.out().is_terminal() && !options.follow;
  ProgressNumbers numbers;
  uint64_t wanted = options.from.value_or(0);
  if (options.after.has_value()) wanted = *options.after + 1;
  // An empty answer is the same for an empty table and for a region that was never written.
  absl::Status exists;
  bool is_first_message = true;
  const absl::Status read = RunRead(
      session.connection(), RequestFor(session, options), [&](const v1::ReadResponse& message) {
        if (is_first_message && IsEmpty(message.position())) {
          exists = CheckRegion(session, options.region, options.follow);
        }
        is_first_message = false;
        if (message.has_position() && options.skip_deleted) {
          NoteDeleted(session, message.position(), wanted);
        }
        for (const v1::LogRecord& record : message.records()) {
          absl::Status written = writer.Write(options.table, record.sequence(), record.payload());
          if (!written.ok()) return written;
          wanted = record.sequence() + 1;
          ++numbers.records;
          numbers.bytes += record.payload().size();
        }
        if (show_progress) progress.Update(numbers);
        return options.follow ? session.out().Flush() : absl::OkStatus();
      });
  return read.ok() ? exists : read;
}

void AddBounds(Command command, ReadOptions& options) {
  const Option from = command.Add("--from", options.from, "First sequence, inclusive");
  const Option after = command.Add("--after", options.after, "First sequence, exclusive");
  const Option to = command.Add("--to", options.to, "Last sequence, inclusive");
  const Option before = command.Add("--before", options.before, "Last sequence, exclusive");
  for (Option bound : {from, after, to, before}) bound.Check(Number()).Value("SEQUENCE");
  after.Excludes(from);
  before.Excludes(to);
  const Option last =
      command.Add("--last", options.last, "Begin with the last N records that are there")
          .Check(Number(1))
          .Value("N");
  const Option since =
      command
          .Add("--since", options.since_unix_millis,
               "Begin with the first record that may have been appended at this time or later,\n"
               "by the daemon's clock: 10m or 7d ago, or a time such as 2026-11-30T15:04:05Z.\n"
               "Records that were made durable together are not told apart, so a few earlier\n"
               "ones may precede it")
          .Check(PastMoment())
          .Value("TIME");
  for (Option beginning : {from, after}) {
    last.Excludes(beginning);
    since.Excludes(beginning);
  }
  since.Excludes(last);
}

}  // namespace

void AddReadCommand(CommandSet& commands) {
  auto options = std::make_shared<ReadOptions>();
  Command command = commands.Add(
      "read",
      "Print the records of a table: between two sequence numbers, the last, or since a time.\n"
      "Each record is its payload and a newline, unless an option says otherwise.",
      {"walden read --region 1 --table 1", "walden read -r 1 -t 1 --from 100 --before 200 -s",
       "walden read -r 1 -t 1 --limit 10 --json", "walden read -r 1 -t 1 --last 20",
       "walden read -r 1 -t 1 --since 10m --follow",
       "walden read -r 1 -t 1 --length-delimited > records.bin"});
  command.AddRegion(options->region).Required();
  command.AddTable(options->table).Required();
  AddBounds(command, *options);
  command.Add("-n,--limit", options->limit, "Stop after this many records")
      .Check(Number(1))
      .Value("N");
  command
      .Add("--max-bytes", options->max_bytes,
           "Stop with the record that reaches this many payload bytes")
      .Check(ByteSize(1, UINT64_MAX))
      .Value("SIZE");
  command.AddFlag("--follow", options->follow, "Stay and print new records as they come");
  AddSkipDeleted(command, options->skip_deleted);
  AddPrintOptions(command, options->print);
  command.Runs([options](Session& session) { return Run(session, *options); });
}

}  // namespace walden::cli
