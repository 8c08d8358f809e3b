// `walden namespaces`, `regions`, `describe`, `stats`, `sync`, `close`, `mark-deleted`: one
// question, one answer.
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/client/admin_pages.h"
#include "cli/commands/commands.h"
#include "cli/commands/requests.h"
#include "cli/commands/write_options.h"
#include "cli/console/text_table.h"
#include "cli/reports/region_report.h"

namespace walden::cli {
namespace {

using Admin = v1::AdminService::Stub;

struct RegionOptions {
  uint64_t region = 0;
  std::optional<uint64_t> table;
};

struct MarkOptions {
  uint64_t region = 0;
  uint64_t table = 0;
  uint64_t through = 0;
  std::optional<uint64_t> region_version;
};

absl::Status PrintAnswer(Session& session, const google::protobuf::Message& answer,
                         absl::string_view text) {
  return session.json() ? session.PrintJson(ToJson(answer)) : session.out().Write(text);
}

absl::Status Namespaces(Session& session) {
  Connection& connection = session.connection();
  v1::ListNamespacesResponse answer;
  absl::Status asked = connection.Unary(&Admin::ListNamespaces, connection.admin(),
                                        v1::ListNamespacesRequest(), &answer);
  if (!asked.ok()) return asked;
  TextTable table({">namespace", "name", "engine", ">regions", ""});
  for (const v1::NamespaceInfo& info : answer.namespaces()) {
    if (session.json()) {
      if (absl::Status printed = session.PrintJson(ToJson(info)); !printed.ok()) return printed;
    }
    const bool is_broken = !info.error().empty();
    table.AddRow({absl::StrCat(info.id()), info.name(), info.engine(),
                  is_broken ? "?" : absl::StrCat(info.regions()),
                  absl::StrCat(info.is_default() ? "default" : "",
                               is_broken ? absl::StrCat(" BROKEN: ", info.error()) : "")});
  }
  return session.json() ? absl::OkStatus() : session.out().Write(table.ToString());
}

absl::Status Regions(Session& session) {
  const auto answer = ListRegions(session.connection(), session.common().namespace_id);
  if (!answer.ok()) return answer.status();
  TextTable table({">region", "state", "error"});
  for (const v1::RegionInfo& info : answer->regions()) {
    if (session.json()) {
      if (absl::Status printed = session.PrintJson(ToJson(info)); !printed.ok()) return printed;
    }
    table.AddRow({absl::StrCat(info.region_id()), StateText(info.state()), info.error()});
  }
  if (answer->regions().empty()) session.Note("no regions yet");
  return session.json() ? absl::OkStatus() : session.out().Write(table.ToString());
}

absl::Status DescribeTable(Session& session, const RegionOptions& options) {
  Connection& connection = session.connection();
  auto request = TableRequest<v1::GetNextSequenceRequest>(session, options.region, *options.table);
  v1::GetNextSequenceResponse answer;
  absl::Status asked =
      connection.Unary(&Admin::GetNextSequence, connection.admin(), request, &answer);
  if (!asked.ok()) return asked;
  const v1::TablePosition& position = answer.position();
  return PrintAnswer(
      session, position,
      absl::StrCat("first ", position.first_sequence(), ", next ", position.next_sequence(),
                   ", deleted through ", position.deleted_through(), "\n"));
}

absl::Status Describe(Session& session, const RegionOptions& options) {
  if (options.table.has_value()) return DescribeTable(session, options);
  const auto answer =
      DescribeRegion(session.connection(), session.common().namespace_id, options.region);
  if (!answer.ok()) return answer.status();
  return PrintAnswer(session, *answer, DescriptionText(*answer));
}

absl::Status Stats(Session& session) {
  Connection& connection = session.connection();
  v1::GetStatisticsResponse answer;
  absl::Status asked = connection.Unary(&Admin::GetStatistics, connection.admin(),
                                        v1::GetStatisticsRequest(), &answer);
  return asked.ok() ? PrintAnswer(session, answer, StatisticsText(answer)) : asked;
}

absl::Status Sync(Session& session, const RegionOptions& options) {
  Connection& connection = session.connection();
  v1::SyncRegionResponse answer;
  absl::Status asked =
      connection.Unary(&Admin::SyncRegion, connection.admin(),
                       RegionRequest<v1::SyncRegionRequest>(session, options.region), &answer);
  if (!asked.ok()) return asked;
  return PrintAnswer(
      session, answer,
      absl::StrCat("region ", options.region, ": everything answered so far is durable\n"));
}

absl::Status Close(Session& session, const RegionOptions& options) {
  Connection& connection = session.connection();
  v1::CloseRegionResponse answer;
  absl::Status asked =
      connection.Unary(&Admin::CloseRegion, connection.admin(),
                       RegionRequest<v1::CloseRegionRequest>(session, options.region), &answer);
  if (!asked.ok()) return asked;
  return PrintAnswer(session, answer,
                     absl::StrCat("region ", options.region,
                                  answer.was_open() ? ": closed\n" : ": was not open\n"));
}

absl::Status MarkDeleted(Session& session, const MarkOptions& options) {
  Connection& connection = session.connection();
  auto request = TableRequest<v1::MarkDeletedRequest>(session, options.region, options.table);
  request.set_through_sequence(options.through);
  if (options.region_version.has_value()) request.set_region_version(*options.region_version);
  v1::MarkDeletedResponse answer;
  absl::Status asked =
      connection.Unary(&v1::WalService::Stub::MarkDeleted, connection.wal(), request, &answer);
  if (!asked.ok()) return asked;
  return PrintAnswer(session, answer,
                     absl::StrCat("deleted through ", answer.deleted_through(), "\n"));
}

std::shared_ptr<RegionOptions> AddRegionCommand(CLI::App& command, Program& program,
                                                absl::Status (*run)(Session&,
                                                                    const RegionOptions&)) {
  auto options = std::make_shared<RegionOptions>();
  AddRegion(command, options->region).required();
  command.callback([&program, options, run] {
    program.command = [options, run](Session& session) { return run(session, *options); };
  });
  return options;
}

}  // namespace

void AddNamespacesCommand(CLI::App& app, Program& program) {
  CLI::App& command = AddCommand(app, program, "namespaces", "List the daemon's namespaces.",
                                 {"walden namespaces", "walden namespaces --json"});
  command.callback([&program] { program.command = Namespaces; });
}

void AddRegionsCommand(CLI::App& app, Program& program) {
  CLI::App& command =
      AddCommand(app, program, "regions", "List the regions of a namespace, open or not.",
                 {"walden regions", "walden regions --namespace 2 --json"});
  command.callback([&program] { program.command = Regions; });
}

void AddDescribeCommand(CLI::App& app, Program& program) {
  CLI::App& command =
      AddCommand(app, program, "describe",
                 "Describe a region: tables, segments, bytes, what its last opening found.\n"
                 "With --table: only where that table begins and ends.",
                 {"walden describe --region 1", "walden describe -r 1 --table 7 --json"});
  const auto options = AddRegionCommand(command, program, Describe);
  command.add_option("-t,--table", options->table, "Only this table's position")
      ->transform(Number())
      ->type_name("ID");
}

void AddStatsCommand(CLI::App& app, Program& program) {
  CLI::App& command = AddCommand(app, program, "stats", "Show the daemon's counters and limits.",
                                 {"walden stats", "walden stats --json"});
  command.callback([&program] { program.command = Stats; });
}

void AddSyncCommand(CLI::App& app, Program& program) {
  AddRegionCommand(
      AddCommand(app, program, "sync", "Make every answered append of a region durable.",
                 {"walden sync --region 1"}),
      program, Sync);
}

void AddCloseCommand(CLI::App& app, Program& program) {
  AddRegionCommand(
      AddCommand(app, program, "close",
                 "Sync and close a region; the next call opens it again.\n"
                 "This is how a region whose write failed, or that could not open, is tried anew.",
                 {"walden close --region 1"}),
      program, Close);
}

void AddMarkDeletedCommand(CLI::App& app, Program& program) {
  auto options = std::make_shared<MarkOptions>();
  CLI::App& command =
      AddCommand(app, program, "mark-deleted",
                 "Tell that everything of a table through a sequence number is no longer needed.\n"
                 "Beyond the table's end is clamped to its end. Prints the resulting position.",
                 {"walden mark-deleted --region 1 --table 1 --through 1000"});
  AddRegion(command, options->region).required();
  AddTable(command, options->table).required();
  command.add_option("--through", options->through, "Last sequence to delete, inclusive")
      ->transform(Number())
      ->type_name("SEQUENCE")
      ->required();
  AddRegionVersion(command, options->region_version);
  command.callback([&program, options] {
    program.command = [options](Session& session) { return MarkDeleted(session, *options); };
  });
}

}  // namespace walden::cli
