// `walden status`: one screen about a daemon.
#include "cli/commands/commands.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/client/admin_pages.h"
#include "cli/console/failure.h"
#include "cli/console/message_times.h"
#include "cli/console/text_table.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/reports/region_report.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

using Admin = v1::AdminService::Stub;
using grpc::health::v1::HealthCheckResponse;

struct StatusOptions {
  uint64_t interval_millis = 1000;
};

struct NamespaceStatus {
  v1::NamespaceInfo info;
  uint64_t open = 0;
  uint64_t failed = 0;
  uint64_t broken = 0;
  uint64_t allocated_bytes = 0;
  uint64_t live_bytes = 0;
  uint64_t quota_bytes = 0;
};

class StatusCommand {
 public:
  StatusCommand(Session& session, const StatusOptions& options)
      : session_(session), options_(options) {}

  absl::Status Run();

 private:
  absl::Status AskHealth();
  absl::Status AskInfo();
  absl::Status AskStatistics(v1::GetStatisticsResponse* statistics);
  absl::Status Measure();
  absl::Status AskNamespaces();
  absl::Status AskRegions(NamespaceStatus& space);
  using Regions = google::protobuf::RepeatedPtrField<v1::RegionInfo>;
  void AddProblems(const v1::NamespaceInfo& space, const v1::RegionInfo& region);
  absl::Status AskQuota(NamespaceStatus& space, const Regions& regions);
  double PerSecond(uint64_t before, uint64_t after) const {
    return after < before ? 0 : static_cast<double>(after - before) / seconds_;
  }
  std::string Text() const;
  Json ToJsonObject() const;

  Session& session_;
  const StatusOptions& options_;
  std::string health_;
  v1::GetServerInfoResponse info_;
  v1::GetStatisticsResponse before_;
  v1::GetStatisticsResponse now_;
  double seconds_ = 1;
  std::vector<NamespaceStatus> namespaces_;
  std::vector<std::string> problems_;
};

absl::Status StatusCommand::Run() {
  absl::Status status = AskHealth();
  if (status.ok()) status = AskInfo();
  if (status.ok()) status = Measure();
  if (status.ok()) status = AskNamespaces();
  if (!status.ok()) return status;
  return session_.json() ? session_.PrintJson(ToJsonObject()) : session_.out().Write(Text());
}

absl::Status StatusCommand::AskHealth() {
  Connection& connection = session_.connection();
  HealthCheckResponse answer;
  absl::Status asked = connection.Unary(&grpc::health::v1::Health::Stub::Check, connection.health(),
                                        grpc::health::v1::HealthCheckRequest(), &answer);
  if (!asked.ok()) return asked;
  health_ = HealthCheckResponse::ServingStatus_Name(answer.status());
  if (answer.status() != HealthCheckResponse::SERVING) {
    problems_.push_back(
        absl::StrCat("the daemon is starting or stopping: its health is ", health_));
  }
  return absl::OkStatus();
}

absl::Status StatusCommand::AskInfo() {
  auto info = GetServerInfo(session_.connection());
  if (info.ok()) info_ = *std::move(info);
  return info.status();
}

absl::Status StatusCommand::AskStatistics(v1::GetStatisticsResponse* statistics) {
  Connection& connection = session_.connection();
  return connection.Unary(&Admin::GetStatistics, connection.admin(), v1::GetStatisticsRequest(),
                          statistics);
}

absl::Status StatusCommand::Measure() {
  if (absl::Status asked = AskStatistics(&before_); !asked.ok()) return asked;
  const absl::Time start = absl::Now();
  if (!session_.interrupt().Sleep(
          absl::Milliseconds(static_cast<int64_t>(options_.interval_millis)))) {
    return Failure(absl::StatusCode::kCancelled, kReasonInterrupted, "interrupted");
  }
  if (absl::Status asked = AskStatistics(&now_); !asked.ok()) return asked;
  seconds_ = absl::ToDoubleSeconds(absl::Now() - start);
  const auto is_nearly_full = [this](absl::string_view name, uint64_t used, uint64_t limit) {
    if (limit == 0 || used < limit - limit / 10) return;
    problems_.push_back(
        absl::StrCat(name, " hold ", FormatBytes(used), " of at most ", FormatBytes(limit)));
  };
  is_nearly_full("mailboxes", now_.mailbox_bytes(), now_.mailbox_limit_bytes());
  is_nearly_full("readers", now_.reader_bytes(), now_.reader_limit_bytes());
  is_nearly_full("entry logs", now_.entry_memory_bytes(), now_.entry_memory_limit_bytes());
  return absl::OkStatus();
}

absl::Status StatusCommand::AskNamespaces() {
  auto answer = ListNamespaces(session_.connection());
  if (!answer.ok()) return answer.status();
  for (v1::NamespaceInfo& info : *answer->mutable_namespaces()) {
    NamespaceStatus space;
    space.info = std::move(info);
    if (space.info.has_error()) {
      problems_.push_back(absl::StrCat("namespace ", space.info.name(),
                                       " cannot be opened: ", StatusText(space.info.error())));
    } else if (absl::Status regions = AskRegions(space); !regions.ok()) {
      return regions;
    }
    namespaces_.push_back(std::move(space));
  }
  return absl::OkStatus();
}

absl::Status StatusCommand::AskRegions(NamespaceStatus& space) {
  const auto regions = ListRegions(session_.connection(), space.info.namespace_id());
  if (!regions.ok()) return regions.status();
  for (const v1::RegionInfo& region : regions->regions()) {
    if (region.state() == v1::RegionInfo::STATE_OPEN) ++space.open;
    if (region.state() == v1::RegionInfo::STATE_FAILED) ++space.failed;
    if (region.state() == v1::RegionInfo::STATE_BROKEN) ++space.broken;
    space.allocated_bytes += region.usage().allocated_bytes();
    space.live_bytes += region.usage().live_bytes();
    AddProblems(space.info, region);
  }
  return AskQuota(space, regions->regions());
}

void StatusCommand::AddProblems(const v1::NamespaceInfo& space, const v1::RegionInfo& region) {
  const std::string name =
      absl::StrCat("region ", region.region_id(), " of namespace ", space.name());
  if (region.has_error()) {
    problems_.push_back(
        absl::StrCat(name, " is ", StateText(region.state()), ": ", StatusText(region.error())));
  }
  if (const uint64_t damaged = region.usage().damaged_range_count(); damaged > 0) {
    problems_.push_back(absl::StrCat(name, " has ", Counted(damaged, "damaged range")));
  }
}

// The description of any region names the quota of its namespace. Only an open region is described,
// since to describe a closed one would open it.
absl::Status StatusCommand::AskQuota(NamespaceStatus& space, const Regions& regions) {
  for (const v1::RegionInfo& region : regions) {
    if (region.state() != v1::RegionInfo::STATE_OPEN) continue;
    v1::DescribeRegionRequest request;
    request.set_namespace_id(space.info.namespace_id());
    request.set_region_id(region.region_id());
    request.set_page_size(1);
    v1::DescribeRegionResponse description;
    Connection& connection = session_.connection();
    const absl::Status asked =
        connection.Unary(&Admin::DescribeRegion, connection.admin(), request, &description);
    if (absl::IsNotFound(asked)) continue;  // dropped meanwhile
    space.quota_bytes = description.namespace_disk_quota_bytes();
    return asked;
  }
  return absl::OkStatus();
}

std::string StatusCommand::Text() const {
  const auto up = absl::Trunc(DurationOf(now_.uptime()), absl::Seconds(1));
  const auto rate = [this](uint64_t records_before, uint64_t records, uint64_t bytes_before,
                           uint64_t bytes) {
    return absl::StrCat(FormatRate(PerSecond(records_before, records)), " records/s, ",
                        FormatBytes(static_cast<uint64_t>(PerSecond(bytes_before, bytes))), "/s");
  };
  std::string text =
      absl::StrCat("waldend ", info_.version(), " at ", session_.common().address, ": ", health_,
                   ", up ", absl::FormatDuration(up), "\nappends  ",
                   rate(before_.appended_record_count(), now_.appended_record_count(),
                        before_.appended_payload_bytes(), now_.appended_payload_bytes()),
                   "\nreads    ",
                   rate(before_.read_record_count(), now_.read_record_count(),
                        before_.read_payload_bytes(), now_.read_payload_bytes()),
                   "\nrefused  ",
                   FormatRate(PerSecond(before_.refused_batch_count(), now_.refused_batch_count())),
                   " batches/s\n\n");
  TextTable table({"namespace", "engine", ">regions", ">open", ">failed", ">broken", ">disk",
                   ">live", ">quota"});
  for (const NamespaceStatus& space : namespaces_) {
    table.AddRow({space.info.name(), space.info.engine(), FormatCount(space.info.region_count()),
                  FormatCount(space.open), FormatCount(space.failed), FormatCount(space.broken),
                  FormatBytes(space.allocated_bytes), FormatBytes(space.live_bytes),
                  space.quota_bytes == 0 ? "-" : FormatBytes(space.quota_bytes)});
  }
  absl::StrAppend(&text, table.ToString(), "(disk and live: open regions)\n\n");
  if (problems_.empty()) return text + "no problems\n";
  absl::StrAppend(&text, Counted(problems_.size(), "problem"), ":\n");
  for (const std::string& problem : problems_) absl::StrAppend(&text, "  ", problem, "\n");
  return text;
}

Json StatusCommand::ToJsonObject() const {
  Json json;
  json["health"] = health_;
  json["appended_records_per_second"] =
      PerSecond(before_.appended_record_count(), now_.appended_record_count());
  json["appended_bytes_per_second"] =
      PerSecond(before_.appended_payload_bytes(), now_.appended_payload_bytes());
  json["read_records_per_second"] =
      PerSecond(before_.read_record_count(), now_.read_record_count());
  json["read_bytes_per_second"] =
      PerSecond(before_.read_payload_bytes(), now_.read_payload_bytes());
  json["refused_batches_per_second"] =
      PerSecond(before_.refused_batch_count(), now_.refused_batch_count());
  json["namespaces"] = Json::array();
  for (const NamespaceStatus& space : namespaces_) {
    Json one = ToJson(space.info);
    one["open_regions"] = space.open;
    one["failed_regions"] = space.failed;
    one["broken_regions"] = space.broken;
    one["allocated_bytes"] = space.allocated_bytes;
    one["live_bytes"] = space.live_bytes;
    one["disk_quota_bytes"] = space.quota_bytes;
    json["namespaces"].push_back(std::move(one));
  }
  json["problems"] = problems_;
  json["server"] = ToJson(info_);
  json["statistics"] = ToJson(now_);
  return json;
}

}  // namespace

void AddStatusCommand(CommandSet& commands) {
  auto options = std::make_shared<StatusOptions>();
  Command command = commands.Add(
      "status",
      "Show a daemon on one screen: health, rates, regions, disk, problems.\n"
      "Rates are measured for --interval. Disk space is that of the open regions: to ask a closed\n"
      "region would open it. Problems do not change the exit code.",
      {"walden status", "walden status --interval 10s", "walden status --json"});
  command.Add("--interval", options->interval_millis, "How long rates are measured (default 1s)")
      .Check(Millis())
      .Value("DURATION");
  command.Runs([options](Session& session) { return StatusCommand(session, *options).Run(); });
}

}  // namespace walden::cli
