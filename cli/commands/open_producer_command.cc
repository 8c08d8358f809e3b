// `walden open-producer`.
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/requests.h"
#include "cli/commands/write_options.h"
#include "cli/console/units.h"

namespace walden::cli {
namespace {

struct OpenProducerOptions {
  uint64_t region = 0;
  std::optional<uint64_t> region_version;
};

absl::Status Run(Session& session, const OpenProducerOptions& options) {
  Connection& connection = session.connection();
  auto request = RegionRequest<v1::OpenProducerRequest>(session, options.region);
  if (options.region_version.has_value()) request.set_region_version(*options.region_version);
  v1::OpenProducerResponse answer;
  absl::Status asked =
      connection.Unary(&v1::WalService::Stub::OpenProducer, connection.wal(), request, &answer);
  if (!asked.ok()) return asked;
  if (session.json()) return session.PrintMessage(answer);
  return session.out().Write(absl::StrCat(answer.producer_id(), "\n"));
}

}  // namespace

void AddOpenProducerCommand(CommandSet& commands) {
  auto options = std::make_shared<OpenProducerOptions>();
  Command command =
      commands.Add("open-producer",
                   "Issue a producer id, for `walden append --producer`, and print it.\n"
                   "A region remembers the 1,024 most recently active producers.",
                   {"walden open-producer --region 1"});
  command.AddRegion(options->region).Required();
  AddRegionVersion(command, options->region_version);
  command.Runs([options](Session& session) { return Run(session, *options); });
}

}  // namespace walden::cli
