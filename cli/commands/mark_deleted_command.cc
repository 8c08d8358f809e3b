// `walden mark-deleted`.
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/commands/commands.h"
#include "cli/commands/requests.h"
#include "cli/commands/write_options.h"
#include "cli/console/failure.h"
#include "cli/console/message_times.h"
#include "cli/console/units.h"

namespace walden::cli {
namespace {

struct MarkOptions {
  uint64_t region = 0;
  std::vector<uint64_t> tables;
  std::vector<std::string> marks;  // "TABLE:SEQUENCE"
  std::optional<uint64_t> through;
  std::optional<uint64_t> before_unix_millis;
  std::optional<uint64_t> region_version;
};

ValueCheck TableAndSequence() {
  return [](std::string& text) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
    if (ParseNumber(parts.first).has_value() && ParseNumber(parts.second).has_value()) {
      return std::string();
    }
    return absl::StrCat("\"", text, "\" is not TABLE:SEQUENCE, such as 7:1000");
  };
}

absl::StatusOr<v1::MarkDeletedRequest> RequestFor(const Session& session,
                                                  const MarkOptions& options) {
  auto request = RegionRequest<v1::MarkDeletedRequest>(session, options.region);
  if (options.region_version.has_value()) request.set_region_version(*options.region_version);
  for (const std::string& text : options.marks) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
    v1::TableMark& mark = *request.add_marks();
    mark.set_table_id(ParseNumber(parts.first).value_or(0));
    mark.set_through_sequence(ParseNumber(parts.second).value_or(0));
  }
  const bool has_mark = options.through.has_value() || options.before_unix_millis.has_value();
  if (options.tables.empty() ? options.marks.empty() : !has_mark) {
    return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput,
                   "give --table with --through, --before or --older-than, or TABLE:SEQUENCE");
  }
  for (const uint64_t table : options.tables) {
    v1::TableMark& mark = *request.add_marks();
    mark.set_table_id(table);
    if (options.through.has_value()) {
      mark.set_through_sequence(*options.through);
    } else {
      *mark.mutable_before_time() = TimestampOfUnixMillis(*options.before_unix_millis);
    }
  }
  return request;
}

absl::Status MarkDeleted(Session& session, const MarkOptions& options) {
  const auto request = RequestFor(session, options);
  if (!request.ok()) return request.status();
  Connection& connection = session.connection();
  v1::MarkDeletedResponse answer;
  absl::Status asked =
      connection.Unary(&v1::WalService::Stub::MarkDeleted, connection.wal(), *request, &answer);
  if (!asked.ok()) return asked;
  if (session.json()) return session.PrintMessage(answer);
  std::string text;
  for (const v1::TableMarkResult& table : answer.results()) {
    if (answer.results_size() > 1) absl::StrAppend(&text, "table ", table.table_id(), ": ");
    absl::StrAppend(&text, "deleted through ", table.position().deleted_through(), "\n");
  }
  return session.out().Write(text);
}

void AddMarks(Command command, MarkOptions& options) {
  const Option marks =
      command.Add("marks", options.marks, "TABLE:SEQUENCE, for tables with numbers of their own")
          .Check(TableAndSequence())
          .Value("TABLE:SEQUENCE");
  const Option tables = command.Add("-t,--table", options.tables, "Table id; may be repeated")
                            .Check(Number())
                            .Value("ID")
                            .Excludes(marks);
  const Option through =
      command.Add("--through", options.through, "Last sequence to delete, inclusive")
          .Check(Number())
          .Value("SEQUENCE")
          .Needs(tables);
  const Option before =
      command
          .Add("--before", options.before_unix_millis,
               "Delete records that were all appended before this time, by the daemon's clock,\n"
               "such as 2026-11-30T15:04:05Z. Records that were made durable together go together")
          .Check(Moment())
          .Value("TIME")
          .Needs(tables)
          .Excludes(through);
  const Option age = command
                         .Add("--older-than", options.before_unix_millis,
                              "The same, for a time that long ago by this machine's clock")
                         .Check(Age())
                         .Value("DURATION")
                         .Needs(tables)
                         .Excludes(through);
  age.Excludes(before);
}

}  // namespace

void AddMarkDeletedCommand(CommandSet& commands) {
  auto options = std::make_shared<MarkOptions>();
  Command command = commands.Add(
      "mark-deleted",
      "Mark records of tables deleted: through a sequence number, or before a time.\n"
      "A number beyond a table's end is taken as its end. Prints through where each table is\n"
      "deleted now. The tables are marked one after the other: after an error some may be marked.",
      {"walden mark-deleted --region 1 --table 1 --through 1000",
       "walden mark-deleted -r 1 -t 1 -t 2 --older-than 7d",
       "walden mark-deleted -r 1 1:1000 2:1250"});
  command.AddRegion(options->region).Required();
  AddMarks(command, *options);
  AddRegionVersion(command, options->region_version);
  command.Runs([options](Session& session) { return MarkDeleted(session, *options); });
}

}  // namespace walden::cli
