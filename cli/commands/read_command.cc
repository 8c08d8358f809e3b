// `walden read`.
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/client/admin_pages.h"
#include "cli/client/run_read.h"
#include "cli/commands/commands.h"
#include "cli/commands/read_options.h"
#include "cli/commands/requests.h"
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
  if (options.to.has_value()) request.mutable_end()->set_inclusive(*options.to);
  if (options.before.has_value()) request.mutable_end()->set_exclusive(*options.before);
  request.set_max_records(options.limit);
  request.set_max_bytes(options.max_bytes);
  request.set_follow(options.follow);
  request.set_skip_deleted(options.skip_deleted);
  return request;
}

// With --skip-deleted: what was passed over, at the beginning or on the way. `wanted`: the number
// that should come next, 0 for any.
void NoteDeleted(Session& session, uint64_t wanted, const v1::TablePosition& position) {
  if (wanted == 0 || wanted > position.deleted_through()) return;
  session.Note(absl::StrCat("note: records through ", position.deleted_through(),
                            " are deleted; the log goes on at ", position.first_sequence()));
}

// An empty answer is the same for an empty table and for a region that was never written.
absl::Status CheckRegionExists(Session& session, uint64_t region) {
  const auto described =
      DescribeRegion(session.connection(), session.common().namespace_id, region);
  return absl::IsNotFound(described.status()) ? described.status() : absl::OkStatus();
}

absl::Status Run(Session& session, const ReadOptions& options) {
  RecordWriter writer(session.out(), FormattingFor(session, options.print));
  Progress progress(session.err(), "reading");
  // On a terminal the records themselves show the progress.
  const bool show_progress = !session.out().is_terminal() && !options.follow;
  ProgressNumbers numbers;
  uint64_t wanted = options.from.value_or(0);
  if (options.after.has_value()) wanted = *options.after + 1;
  bool is_empty = true;
  const absl::Status read = RunRead(
      session.connection(), RequestFor(session, options), [&](const v1::ReadResponse& message) {
        if (message.has_position()) is_empty = message.position().next_sequence() <= 1;
        if (message.has_position() && options.skip_deleted) {
          NoteDeleted(session, wanted, message.position());
        }
        for (const v1::Record& record : message.records()) {
          absl::Status written = writer.Write(options.table, record.sequence(), record.payload());
          if (!written.ok()) return written;
          wanted = record.sequence() + 1;
          ++numbers.records;
          numbers.bytes += record.payload().size();
        }
        if (show_progress) progress.Update(numbers);
        return options.follow ? session.out().Flush() : absl::OkStatus();
      });
  if (!read.ok() || options.follow || !is_empty) return read;
  return CheckRegionExists(session, options.region);
}

void AddBounds(CLI::App& command, ReadOptions& options) {
  auto* from = command.add_option("--from", options.from, "First sequence, inclusive");
  auto* after = command.add_option("--after", options.after, "First sequence, exclusive");
  auto* to = command.add_option("--to", options.to, "Last sequence, inclusive");
  auto* before = command.add_option("--before", options.before, "Last sequence, exclusive");
  for (auto* bound : {from, after, to, before}) bound->transform(Number())->type_name("SEQUENCE");
  after->excludes(from);
  before->excludes(to);
}

}  // namespace

void AddReadCommand(CLI::App& app, Program& program) {
  auto options = std::make_shared<ReadOptions>();
  CLI::App& command = AddCommand(
      app, program, "read",
      "Print the records of a table between two sequence numbers.\n"
      "Payload bytes and a newline each, unless told otherwise.",
      {"walden read --region 1 --table 1", "walden read -r 1 -t 1 --from 100 --before 200 -s",
       "walden read -r 1 -t 1 --limit 10 --json",
       "walden read -r 1 -t 1 --length-delimited > records.bin"});
  AddRegion(command, options->region).required();
  AddTable(command, options->table).required();
  AddBounds(command, *options);
  command.add_option("-n,--limit", options->limit, "Stop after this many records")
      ->transform(Number(1))
      ->type_name("N");
  command
      .add_option("--max-bytes", options->max_bytes,
                  "Stop with the record that reaches this many payload bytes")
      ->transform(ByteSize(1, UINT64_MAX))
      ->type_name("SIZE");
  command.add_flag("--follow", options->follow, "Stay and print new records as they come");
  AddSkipDeleted(command, options->skip_deleted);
  AddPrintOptions(command, options->print);
  command.callback([&program, options] {
    program.command = [options](Session& session) { return Run(session, *options); };
  });
}

}  // namespace walden::cli
