// `walden verify`.
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cli/client/admin_pages.h"
#include "cli/client/response_stream.h"
#include "cli/commands/commands.h"
#include "cli/commands/requests.h"
#include "cli/console/failure.h"
#include "cli/console/progress.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/reports/region_report.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

struct VerifyOptions {
  std::optional<uint64_t> region;
};

class VerifyCommand {
 public:
  VerifyCommand(Session& session, const VerifyOptions& options)
      : session_(session), options_(options) {}

  absl::Status Run();

 private:
  absl::StatusOr<std::vector<uint64_t>> Regions();
  absl::Status VerifyRegion(uint64_t region);
  absl::Status PrintFinding(uint64_t region, const v1::DamagedRange& finding);
  absl::Status PrintResult(uint64_t region, const v1::VerifySummary& summary);

  Session& session_;
  const VerifyOptions& options_;
  uint64_t findings_ = 0;
};

absl::Status VerifyCommand::Run() {
  const auto regions = Regions();
  if (!regions.ok()) return regions.status();
  // A region that cannot be verified does not keep the others from it.
  absl::Status first_failure;
  for (const uint64_t region : *regions) {
    absl::Status verified = VerifyRegion(region);
    if (verified.ok()) continue;
    verified = WithContext(verified, absl::StrCat("region ", region, ": "));
    if (HasReason(verified, kReasonInterrupted) || HasReason(verified, kReasonOutputClosed)) {
      return verified;
    }
    if (first_failure.ok()) {
      first_failure = verified;
    } else {
      session_.Note(FailureText(verified, session_.common().endpoint()));
    }
  }
  if (!first_failure.ok()) return first_failure;
  if (findings_ == 0) return absl::OkStatus();
  return Failure(absl::StatusCode::kDataLoss, kReasonDamageFound,
                 absl::StrCat("found ", Counted(findings_, "damaged range")));
}

absl::StatusOr<std::vector<uint64_t>> VerifyCommand::Regions() {
  if (options_.region.has_value()) return std::vector<uint64_t>{*options_.region};
  auto regions = RegionIds(session_.connection(), session_.common().namespace_id);
  if (regions.ok() && regions->empty()) session_.Note("no regions yet");
  return regions;
}

absl::Status VerifyCommand::VerifyRegion(uint64_t region) {
  Connection& connection = session_.connection();
  const auto request = RegionRequest<v1::VerifyRegionRequest>(session_, region);
  Progress progress(session_.err(), absl::StrCat("verifying region ", region));
  std::optional<v1::VerifySummary> summary;
  uint64_t findings = 0;
  const absl::Status streamed = RunStream<v1::VerifyRegionResponse>(
      connection,
      [&](grpc::ClientContext* context) {
        return connection.admin().VerifyRegion(context, request);
      },
      [&](const v1::VerifyRegionResponse& message) {
        absl::Status printed;
        for (const v1::DamagedRange& finding : message.findings()) {
          ++findings;
          progress.Clear();
          printed.Update(PrintFinding(region, finding));
        }
        const v1::VerifyProgress& so_far = message.progress();
        if (message.has_progress()) {
          progress.Update(
              {so_far.checked_record_count(), so_far.checked_bytes(), so_far.total_bytes()});
        }
        if (message.has_summary()) summary = message.summary();
        return printed;
      });
  findings_ += findings;
  if (!streamed.ok()) return streamed;
  if (!summary.has_value() || summary->finding_count() != findings) {
    return Failure(
        absl::StatusCode::kDataLoss, kReasonIncompleteStream,
        summary.has_value()
            ? absl::StrCat("the summary says ", Counted(summary->finding_count(), "finding"),
                           ", but ", Counted(findings, "finding"), " came")
            : "the verification was cut: it ended without its summary");
  }
  progress.Clear();
  return PrintResult(region, *summary);
}

absl::Status VerifyCommand::PrintFinding(uint64_t region, const v1::DamagedRange& finding) {
  if (session_.json()) {
    Json line;
    line["region_id"] = region;
    line["finding"] = ToJson(finding);
    return session_.PrintJson(line);
  }
  return session_.out().Write(
      absl::StrCat("region ", region, ": damaged: ", DamageText(finding), "\n"));
}

absl::Status VerifyCommand::PrintResult(uint64_t region, const v1::VerifySummary& summary) {
  if (session_.json()) {
    Json line;
    line["region_id"] = region;
    line["summary"] = ToJson(summary);
    return session_.PrintJson(line);
  }
  return session_.out().Write(absl::StrCat(
      "region ", region, ": ",
      summary.finding_count() == 0 ? "sound" : Counted(summary.finding_count(), "damaged range"),
      ", ", Counted(summary.checked_record_count(), "record"), ", ",
      FormatBytes(summary.checked_bytes()), " checked\n"));
}

}  // namespace

void AddVerifyCommand(CommandSet& commands) {
  auto options = std::make_shared<VerifyOptions>();
  Command command = commands.Add(
      "verify",
      "Read every stored byte again from disk and check it.\n"
      "It checks one region, or all regions of a namespace, and changes nothing. Exit code 4 if\n"
      "anything is damaged.",
      {"walden verify --region 1", "walden verify --json   # all regions"});
  command.Add("-r,--region", options->region, "Only this region (default: all)")
      .Check(Number())
      .Value("ID");
  command.Runs([options](Session& session) { return VerifyCommand(session, *options).Run(); });
}

}  // namespace walden::cli
