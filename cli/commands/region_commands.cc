// `walden namespaces`, `regions`, `describe`, `info`, `stats`, `sync`, `close`, `fence`: one
// question, one answer.
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/client/admin_pages.h"
#include "cli/commands/commands.h"
#include "cli/commands/requests.h"
#include "cli/console/text_table.h"
#include "cli/reports/region_report.h"

namespace walden::cli {
namespace {

using Admin = v1::AdminService::Stub;

struct RegionOptions {
  uint64_t region = 0;
  std::optional<uint64_t> table;
  uint64_t version = 0;
};

absl::Status PrintAnswer(Session& session, const google::protobuf::Message& answer,
                         absl::string_view text) {
  return session.json() ? session.PrintMessage(answer) : session.out().Write(text);
}

absl::Status Namespaces(Session& session) {
  const auto answer = ListNamespaces(session.connection());
  if (!answer.ok()) return answer.status();
  TextTable table({">namespace", "name", "engine", ">regions", ""});
  for (const v1::NamespaceInfo& info : answer->namespaces()) {
    if (session.json()) {
      if (absl::Status printed = session.PrintMessage(info); !printed.ok()) return printed;
    }
    const bool is_broken = info.has_error();
    table.AddRow(
        {absl::StrCat(info.namespace_id()), info.name(), info.engine(),
         is_broken ? "?" : absl::StrCat(info.region_count()),
         absl::StrCat(info.is_default() ? "default" : "",
                      is_broken ? absl::StrCat(" BROKEN: ", StatusText(info.error())) : "")});
  }
  return session.json() ? absl::OkStatus() : session.out().Write(table.ToString());
}

absl::Status Regions(Session& session) {
  const auto answer = ListRegions(session.connection(), session.common().namespace_id);
  if (!answer.ok()) return answer.status();
  if (answer->regions().empty()) session.Note("no regions yet");
  if (!session.json()) return session.out().Write(RegionsText(answer->regions(), absl::Now()));
  for (const v1::RegionInfo& info : answer->regions()) {
    if (absl::Status printed = session.PrintMessage(info); !printed.ok()) return printed;
  }
  return absl::OkStatus();
}

absl::Status DescribeTable(Session& session, const RegionOptions& options) {
  Connection& connection = session.connection();
  auto request = TableRequest<v1::GetTablePositionRequest>(session, options.region, *options.table);
  v1::GetTablePositionResponse answer;
  absl::Status asked =
      connection.Unary(&Admin::GetTablePosition, connection.admin(), request, &answer);
  if (!asked.ok()) return asked;
  const v1::TablePosition& position = answer.position();
  return PrintAnswer(
      session, position,
      absl::StrCat("first ", position.first_live_sequence(), ", next ", position.next_sequence(),
                   ", deleted through ", position.deleted_through(), "\n"));
}

absl::Status Describe(Session& session, const RegionOptions& options) {
  if (options.table.has_value()) return DescribeTable(session, options);
  const auto answer =
      DescribeRegion(session.connection(), session.common().namespace_id, options.region);
  if (!answer.ok()) return answer.status();
  return PrintAnswer(session, *answer, DescriptionText(*answer, absl::Now()));
}

absl::Status Info(Session& session) {
  const auto info = GetServerInfo(session.connection());
  return info.ok() ? PrintAnswer(session, *info, ServerInfoText(*info)) : info.status();
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

absl::Status Fence(Session& session, const RegionOptions& options) {
  Connection& connection = session.connection();
  auto request = RegionRequest<v1::FenceRegionRequest>(session, options.region);
  request.set_region_version(options.version);
  v1::FenceRegionResponse answer;
  absl::Status asked =
      connection.Unary(&v1::WalService::Stub::FenceRegion, connection.wal(), request, &answer);
  if (!asked.ok()) return asked;
  return PrintAnswer(session, answer,
                     absl::StrCat("region ", options.region, ": writers with a version below ",
                                  options.version, " are refused\n"));
}

std::shared_ptr<RegionOptions> AddRegionCommand(Command command,
                                                absl::Status (*run)(Session&,
                                                                    const RegionOptions&)) {
  auto options = std::make_shared<RegionOptions>();
  command.AddRegion(options->region).Required();
  command.Runs([options, run](Session& session) { return run(session, *options); });
  return options;
}

}  // namespace

void AddNamespacesCommand(CommandSet& commands) {
  Command command = commands.Add("namespaces", "List the daemon's namespaces.",
                                 {"walden namespaces", "walden namespaces --json"});
  command.Runs(Namespaces);
}

void AddRegionsCommand(CommandSet& commands) {
  Command command = commands.Add(
      "regions",
      "List the regions of a namespace, open or not.\n"
      "An open region shows its tables, its live records with their bytes, its bytes on\n"
      "disk, and how long ago the oldest live record was appended. A closed region shows\n"
      "-, because the list opens no region. Engine rocksdb does not know the age.",
      {"walden regions", "walden regions --namespace 2 --json"});
  command.Runs(Regions);
}

void AddDescribeCommand(CommandSet& commands) {
  Command command =
      commands.Add("describe",
                   "Describe a region: tables, segments, bytes, what its last opening found.\n"
                   "With --table it prints only the position of that table.",
                   {"walden describe --region 1", "walden describe -r 1 --table 7 --json"});
  const auto options = AddRegionCommand(command, Describe);
  command.Add("-t,--table", options->table, "Only this table's position")
      .Check(Number())
      .Value("ID");
}

void AddInfoCommand(CommandSet& commands) {
  Command command =
      commands.Add("info", "Show the daemon's version, engines and limits of requests.",
                   {"walden info", "walden info --json"});
  command.Runs(Info);
}

void AddStatsCommand(CommandSet& commands) {
  Command command =
      commands.Add("stats", "Show what the daemon did since its start, and its memory.",
                   {"walden stats", "walden stats --json"});
  command.Runs(Stats);
}

void AddSyncCommand(CommandSet& commands) {
  AddRegionCommand(commands.Add("sync", "Make every answered append of a region durable.",
                                {"walden sync --region 1"}),
                   Sync);
}

void AddFenceCommand(CommandSet& commands) {
  Command command = commands.Add(
      "fence",
      "Refuse writers of a region whose version is lower than VERSION, from now on.\n"
      "A writer gives its version with --region-version. A region that does not exist is made,\n"
      "so that a new writer keeps earlier ones out before its first append. A version that is\n"
      "lower than one that the region has seen is exit code 5.",
      {"walden fence --region 1 7"});
  const auto options = AddRegionCommand(command, Fence);
  command.Add("version", options->version, "Lowest version that may write, from 1")
      .Check(Number(1))
      .Value("VERSION")
      .Required();
}

void AddCloseCommand(CommandSet& commands) {
  AddRegionCommand(
      commands.Add("close",
                   "Sync and close a region; the next call opens it again.\n"
                   "Use it to try a region again whose write failed or that could not be opened.",
                   {"walden close --region 1"}),
      Close);
}

}  // namespace walden::cli
