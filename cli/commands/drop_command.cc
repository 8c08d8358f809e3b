// `walden drop`.
#include <unistd.h>

#include <iostream>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/client/admin_pages.h"
#include "cli/commands/commands.h"
#include "cli/commands/requests.h"
#include "cli/console/failure.h"

namespace walden::cli {
namespace {

struct DropOptions {
  uint64_t region = 0;
  bool yes = false;
};

std::string NamespaceText(const CommonOptions& common) {
  if (!common.namespace_name.empty()) return absl::StrCat("namespace ", common.namespace_name);
  if (common.namespace_id != 0) return absl::StrCat("namespace ", common.namespace_id);
  return "the default namespace";
}

absl::Status Confirm(Session& session, const DropOptions& options) {
  if (options.yes) return absl::OkStatus();
  if (isatty(STDIN_FILENO) != 1 || !session.err().is_terminal()) {
    return Failure(absl::StatusCode::kInvalidArgument, "NOT_CONFIRMED",
                   "dropping a region cannot be undone; give --yes to do it without a terminal");
  }
  (void)session.err().Write(
      absl::StrCat("Region ", options.region, " of ", NamespaceText(session.common()), " at ",
                   session.common().address,
                   " will be gone for good, with its sequence numbers.\nType its id to drop it: "));
  (void)session.err().Flush();
  std::string answer;
  std::getline(std::cin, answer);
  if (absl::StripAsciiWhitespace(answer) == absl::StrCat(options.region)) return absl::OkStatus();
  return Failure(absl::StatusCode::kInvalidArgument, "NOT_CONFIRMED", "not confirmed, not dropped");
}

absl::Status Run(Session& session, const DropOptions& options) {
  if (absl::Status confirmed = Confirm(session, options); !confirmed.ok()) return confirmed;
  Connection& connection = session.connection();
  // A drop has no default namespace.
  const absl::StatusOr<uint32_t> namespace_id =
      NamedNamespace(connection, session.common().namespace_id);
  if (!namespace_id.ok()) return namespace_id.status();
  auto request = RegionRequest<v1::DropRegionRequest>(session, options.region);
  request.set_namespace_id(*namespace_id);
  request.set_confirm_region_id(options.region);
  v1::DropRegionResponse answer;
  absl::Status asked =
      connection.Unary(&v1::AdminService::Stub::DropRegion, connection.admin(), request, &answer);
  if (!asked.ok()) return asked;
  if (session.json()) return session.PrintMessage(answer);
  return session.out().Write(absl::StrCat("region ", options.region,
                                          answer.existed() ? ": dropped\n" : ": did not exist\n"));
}

}  // namespace

void AddDropCommand(CommandSet& commands) {
  auto options = std::make_shared<DropOptions>();
  Command command =
      commands.Add("drop",
                   "Delete a region for good, with its records and its sequence numbers.\n"
                   "On a terminal the command asks. Elsewhere it needs --yes.",
                   {"walden drop --region 1", "walden drop -r 1 --yes"});
  command.AddRegion(options->region).Required();
  command.AddFlag("-y,--yes", options->yes, "Do not ask");
  command.Runs([options](Session& session) { return Run(session, *options); });
}

}  // namespace walden::cli
