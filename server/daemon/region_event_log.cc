#include "server/daemon/region_event_log.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "server/log/logging.h"

namespace walden {
namespace {

std::string ReasonOf(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info.has_value() ? info->reason : absl::StatusCodeToString(status.code());
}

void LogError(absl::string_view event, const RegionKey& key, const absl::Status& why) {
  Log(LogSeverity::kError, event,
      {{"namespace", key.namespace_id},
       {"region", key.region},
       {"reason", ReasonOf(why)},
       {"error", why.message()}});
}

}  // namespace

void RegionEventLog::OnOpened(const RegionKey& key, const OpeningReport& report) {
  const bool clean = report.outcome == OpeningReport::Outcome::kClean;
  if (report.torn_tail_bytes > 0) {
    Log(LogSeverity::kWarning, "torn tail removed",
        {{"namespace", key.namespace_id},
         {"region", key.region},
         {"bytes", report.torn_tail_bytes},
         {"evidence", report.evidence_file}});
  }
  for (const DamagedRange& range : report.damaged) {
    Log(LogSeverity::kError, "damaged range quarantined",
        {{"namespace", key.namespace_id},
         {"region", key.region},
         {"file", range.file},
         {"offset", range.offset},
         {"length", range.length},
         {"first_sequence", range.first},
         {"last_sequence", range.last},
         {"reason", range.reason}});
  }
  Log(clean ? LogSeverity::kDebug : LogSeverity::kInfo, "region opened",
      {{"namespace", key.namespace_id},
       {"region", key.region},
       {"records", report.records_scanned},
       {"bytes", report.bytes_scanned},
       {"micros", report.duration_micros}});
}

void RegionEventLog::OnBroken(const RegionKey& key, const absl::Status& why) {
  LogError("region cannot be opened", key, why);
}

void RegionEventLog::OnFailed(const RegionKey& key, const absl::Status& why) {
  LogError("region failed", key, why);
}

void RegionEventLog::OnReopenPlanned(const RegionKey& key, uint32_t attempt, uint32_t attempts,
                                     absl::Duration wait) {
  Log(LogSeverity::kWarning, "region will be reopened",
      {{"namespace", key.namespace_id},
       {"region", key.region},
       {"seconds", absl::ToDoubleSeconds(wait)},
       {"attempt", attempt},
       {"attempts", attempts}});
}

void RegionEventLog::OnReopenGivenUp(const RegionKey& key, uint32_t attempts) {
  Log(LogSeverity::kError, "region is not reopened any more; close it to try again",
      {{"namespace", key.namespace_id}, {"region", key.region}, {"attempts", attempts}});
}

void RegionEventLog::OnAcquired(const RegionKey& key) {
  Log(LogSeverity::kInfo, "region acquired",
      {{"namespace", key.namespace_id}, {"region", key.region}});
}

void RegionEventLog::OnLost(const RegionKey& key, const std::string& owner) {
  Log(LogSeverity::kWarning, "region lost to another owner",
      {{"namespace", key.namespace_id}, {"region", key.region}, {"owner", owner}});
}

void RegionEventLog::OnClosed(const RegionKey& key, const absl::Status& status) {
  if (!status.ok()) {
    LogError("closing a region failed", key, status);
    return;
  }
  Log(LogSeverity::kDebug, "region closed",
      {{"namespace", key.namespace_id}, {"region", key.region}});
}

void RegionEventLog::OnDropped(const RegionKey& key) {
  Log(LogSeverity::kInfo, "region dropped",
      {{"namespace", key.namespace_id}, {"region", key.region}});
}

void RegionEventLog::OnRetained(const RegionKey& key, const RetentionPlan& plan,
                                const absl::Status& status) {
  constexpr size_t kShownTables = 20;
  std::vector<std::string> through;
  for (const TableMark& mark : plan.marks) {
    if (through.size() == kShownTables) break;
    through.push_back(absl::StrCat(mark.table, ":", mark.through));
  }
  Log(status.ok() ? LogSeverity::kInfo : LogSeverity::kWarning,
      status.ok() ? "retention deleted records" : "retention could not delete every expired record",
      {{"namespace", key.namespace_id},
       {"region", key.region},
       {"records", plan.records},
       {"bytes", plan.bytes},
       {"tables", plan.marks.size()},
       {"through", absl::StrJoin(through, ",")},
       {"error", status}});
}

void RegionEventLog::OnNamespaceBroken(const Namespace& ns, const absl::Status& why) {
  Log(LogSeverity::kError, "namespace cannot be opened",
      {{"namespace", ns.id},
       {"name", ns.name},
       {"engine", ns.engine->name()},
       {"reason", ReasonOf(why)},
       {"error", why.message()}});
}

}  // namespace walden
