#include "cli/reports/region_report.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "cli/console/failure.h"
#include "cli/console/message_times.h"
#include "cli/console/text_table.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"

namespace walden::cli {
namespace {

// How long ago the oldest live record was appended.
std::string OldestText(const v1::RegionUsage& usage, absl::Time now) {
  if (!usage.has_oldest_append_time()) return "-";
  return FormatAge(now - TimeOf(usage.oldest_append_time()));
}

std::string LiveText(const v1::TableState& table) {
  if (table.last_live_sequence() == 0) return "-";
  return RangeText(table.position().first_live_sequence(), table.last_live_sequence());
}

std::string TablesText(const v1::RegionState& state) {
  TextTable tables({">table", "kind", ">live", ">next", ">deleted through"});
  for (const v1::TableState& table : state.tables()) {
    tables.AddRow({absl::StrCat(table.table_id()),
                   table.kind() == v1::TABLE_KIND_ENTRIES ? "entries" : "log", LiveText(table),
                   absl::StrCat(table.position().next_sequence()),
                   absl::StrCat(table.position().deleted_through())});
  }
  return tables.ToString();
}

std::string SegmentsText(const v1::DescribeRegionResponse& description) {
  TextTable segments({"segment", ">allocated", ">used", ">sequences", ">live tables"});
  for (const v1::SegmentInfo& segment : description.segments()) {
    segments.AddRow({segment.file(), FormatBytes(segment.allocated_bytes()),
                     FormatBytes(segment.used_bytes()),
                     RangeOrDash(segment.first_sequence(), segment.last_sequence()),
                     absl::StrCat(segment.tables_size())});
  }
  return segments.ToString();
}

}  // namespace

std::string OpeningText(const v1::OpeningReport& opening) {
  switch (opening.outcome()) {
    case v1::OpeningReport::OUTCOME_CLEAN:
      return "cleanly";
    case v1::OpeningReport::OUTCOME_TORN_TAIL:
      return absl::StrCat("after cutting off a torn tail of ", opening.torn_tail_bytes(),
                          " bytes, kept in ", opening.evidence_file());
    case v1::OpeningReport::OUTCOME_QUARANTINED:
      return absl::StrCat(
          "with ", Counted(static_cast<uint64_t>(opening.damaged_ranges_size()), "damaged range"),
          " quarantined");
    default:
      return "without telling what it found";
  }
}

std::string StateText(v1::RegionInfo::State state) {
  const std::string& name = v1::RegionInfo::State_Name(state);
  if (name.empty()) return absl::StrCat("state ", static_cast<int>(state));
  return absl::AsciiStrToLower(absl::StripPrefix(name, "STATE_"));
}

std::string RegionsText(const google::protobuf::RepeatedPtrField<v1::RegionInfo>& regions,
                        absl::Time now) {
  const bool has_error = std::any_of(regions.begin(), regions.end(),
                                     [](const auto& info) { return info.has_error(); });
  std::vector<std::string> titles = {">region", "state", ">tables", ">records",
                                     ">live",   ">disk", ">oldest"};
  if (has_error) titles.push_back("error");
  TextTable table(titles);
  for (const v1::RegionInfo& info : regions) {
    std::vector<std::string> cells = {absl::StrCat(info.region_id()), StateText(info.state())};
    if (info.has_usage()) {
      const v1::RegionUsage& usage = info.usage();
      cells.insert(cells.end(),
                   {FormatCount(usage.table_count()), FormatCount(usage.live_record_count()),
                    FormatBytes(usage.live_bytes()), FormatBytes(usage.allocated_bytes()),
                    OldestText(usage, now)});
    } else {
      cells.resize(cells.size() + 5, "-");
    }
    cells.push_back(info.has_error() ? StatusText(info.error()) : "");
    table.AddRow(std::move(cells));
  }
  return table.ToString();
}

std::string DamageText(const v1::DamagedRange& damage) {
  return absl::StrCat(damage.file(), ": bytes [", damage.offset(), ", ",
                      damage.offset() + damage.length(), "), sequence ",
                      RangeText(damage.first_sequence(), damage.last_sequence()), ": ",
                      damage.description());
}

namespace {

// The region's retention and disk quota; empty without either.
std::string BoundsText(const v1::DescribeRegionResponse& description) {
  std::string text;
  if (description.has_retention()) {
    const v1::Retention& retention = description.retention();
    std::vector<std::string> kept;
    if (retention.has_max_age()) {
      kept.push_back(
          absl::StrCat("of the last ", absl::FormatDuration(DurationOf(retention.max_age()))));
    }
    if (retention.max_bytes() > 0) {
      kept.push_back(absl::StrCat("the newest ", FormatBytes(retention.max_bytes())));
    }
    if (retention.max_record_count() > 0) {
      kept.push_back(absl::StrCat("the newest ", Counted(retention.max_record_count(), "record")));
    }
    absl::StrAppend(&text, "retention keeps ", absl::StrJoin(kept, ", and no more than "), "\n");
  }
  if (description.disk_quota_bytes() > 0) {
    absl::StrAppend(&text, "disk quota ", FormatBytes(description.disk_quota_bytes()), "\n");
  }
  if (description.namespace_disk_quota_bytes() > 0) {
    absl::StrAppend(&text, "disk quota of its namespace ",
                    FormatBytes(description.namespace_disk_quota_bytes()), "\n");
  }
  return text;
}

}  // namespace

std::string DescriptionText(const v1::DescribeRegionResponse& description, absl::Time now) {
  const v1::RegionInfo& info = description.info();
  const v1::RegionState& state = description.state();
  std::string text = absl::StrCat("region ", info.region_id(), ": ", StateText(info.state()));
  if (info.has_error()) absl::StrAppend(&text, " (", StatusText(info.error()), ")");
  const std::string oldest =
      info.usage().has_oldest_append_time()
          ? absl::StrCat(", oldest live record ", OldestText(info.usage(), now), " old")
          : "";
  absl::StrAppend(&text, ", engine ", state.engine(), ", region version ", state.region_version(),
                  "\n", FormatBytes(info.usage().allocated_bytes()), " on disk, ",
                  FormatBytes(info.usage().live_bytes()), " live", oldest, "\nopened ",
                  OpeningText(state.opening()), ", ",
                  Counted(state.opening().scanned_record_count(), "record"), " in ",
                  FormatTime(DurationOf(state.opening().scan_duration())), "\n",
                  BoundsText(description));
  for (const v1::DamagedRange& damage : state.opening().damaged_ranges()) {
    absl::StrAppend(&text, "damaged: ", DamageText(damage), "\n");
  }
  const std::string tables = TablesText(state);
  if (!tables.empty()) absl::StrAppend(&text, "\n", tables);
  const std::string segments = SegmentsText(description);
  if (!segments.empty()) absl::StrAppend(&text, "\n", segments);
  return text;
}

std::string ServerInfoText(const v1::GetServerInfoResponse& info) {
  const v1::Limits& limits = info.limits();
  const auto count = [](uint64_t limit, absl::string_view noun) {
    return limit == 0 ? "no limit" : Counted(limit, noun);
  };
  const auto bytes = [](uint64_t limit) { return limit == 0 ? "no limit" : FormatBytes(limit); };
  TextTable table({"waldend", info.version()});
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"commit", info.commit().empty() ? "unknown" : info.commit()},
      {"started", FormatMoment(absl::FromUnixSeconds(info.start_time().seconds()))},
      {"engines", absl::StrJoin(info.engines(), ", ")},
      {"most per batch", absl::StrCat(count(limits.max_batch_records(), "record"), ", ",
                                      bytes(limits.max_batch_bytes()), ", ",
                                      count(limits.max_batch_tables(), "table"))},
      {"most per payload", bytes(limits.max_payload_bytes())},
      {"most per key", bytes(limits.max_key_bytes())},
      {"most per message", absl::StrCat(bytes(limits.max_request_message_bytes()), ", ",
                                        count(limits.max_stream_message_appends(), "append"), ", ",
                                        bytes(limits.max_parsed_message_bytes()), " when parsed")},
      {"most per mark-deleted", count(limits.max_marks(), "table")},
  };
  for (const auto& [name, value] : rows) table.AddRow({name, value});
  return table.ToString();
}

std::string StatisticsText(const v1::GetStatisticsResponse& s) {
  const auto of = [](uint64_t used, uint64_t limit) {
    return absl::StrCat(FormatBytes(used), " of ", FormatBytes(limit));
  };
  const double group = s.commit_count() == 0 ? 0
                                             : static_cast<double>(s.appended_batch_count()) /
                                                   static_cast<double>(s.commit_count());
  TextTable table({"waldend", "since its start"});
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"up", absl::FormatDuration(absl::Trunc(DurationOf(s.uptime()), absl::Seconds(1)))},
      {"open regions", FormatCount(s.open_region_count())},
      {"appended batches", FormatCount(s.appended_batch_count())},
      {"appended records", FormatCount(s.appended_record_count())},
      {"appended payload", FormatBytes(s.appended_payload_bytes())},
      {"refused batches", FormatCount(s.refused_batch_count())},
      {"commits",
       absl::StrCat(FormatCount(s.commit_count()), " (", FormatRate(group), " batches each)")},
      {"syncs", FormatCount(s.sync_count())},
      {"read records", FormatCount(s.read_record_count())},
      {"read payload", FormatBytes(s.read_payload_bytes())},
      {"mailboxes", of(s.mailbox_bytes(), s.mailbox_limit_bytes())},
      {"readers", absl::StrCat(of(s.reader_bytes(), s.reader_limit_bytes()), ", ",
                               s.open_reader_count(), " open")},
      {"entry logs", of(s.entry_memory_bytes(), s.entry_memory_limit_bytes())},
  };
  for (const auto& [name, value] : rows) table.AddRow({name, value});
  return table.ToString();
}

}  // namespace walden::cli
