#include "cli/reports/region_inspection.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "cli/console/failure.h"
#include "cli/console/text_table.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

using segment::InspectedRegion;
using segment::InspectedSegment;

std::string Remarks(const InspectedSegment& inspected) {
  if (inspected.missing) return "MISSING";
  if (!inspected.damage.empty()) return "DAMAGED";
  return inspected.torn_end > inspected.torn_begin ? "torn tail" : "";
}

std::string TablesText(const InspectedRegion& region) {
  TextTable tables({">table", ">live", ">next", ">deleted through"});
  for (const TableState& table : region.tables) {
    tables.AddRow({absl::StrCat(table.table), RangeOrDash(table.first_live, table.last_live),
                   absl::StrCat(table.next), absl::StrCat(table.deleted_through)});
  }
  return tables.ToString();
}

std::string SegmentsText(const InspectedRegion& region) {
  TextTable segments({"segment", ">allocated", ">used", ">records", ">sequences", ">tables", ""});
  for (const InspectedSegment& inspected : region.segments) {
    const SegmentDescription& description = inspected.description;
    segments.AddRow({description.file, FormatBytes(description.allocated_bytes),
                     FormatBytes(description.used_bytes), FormatCount(inspected.records),
                     RangeOrDash(description.first, description.last),
                     absl::StrCat(description.tables.size()), Remarks(inspected)});
  }
  return segments.ToString();
}

std::string FindingsText(const InspectedRegion& region) {
  std::string text;
  for (const InspectedSegment& inspected : region.segments) {
    if (inspected.missing) absl::StrAppend(&text, inspected.description.file, ": missing\n");
    for (const DamagedRange& damage : inspected.damage) {
      absl::StrAppend(&text, damage.file, ": damaged: bytes [", damage.offset, ", ",
                      damage.offset + damage.length, "), sequence ",
                      RangeText(damage.first, damage.last), ": ", damage.reason, "\n");
    }
    if (inspected.torn_end > inspected.torn_begin) {
      absl::StrAppend(&text, inspected.description.file, ": torn tail: bytes [",
                      inspected.torn_begin, ", ", inspected.torn_end, "): ", inspected.torn_reason,
                      "; the next opening cuts it off and keeps it\n");
    }
  }
  for (const std::string& file : region.leftovers) {
    absl::StrAppend(&text, file, ": not part of the log\n");
  }
  for (const std::string& file : region.evidence_files) {
    absl::StrAppend(&text, file, ": cut off by an earlier opening\n");
  }
  return text;
}

Json SegmentJson(const InspectedSegment& inspected) {
  const SegmentDescription& description = inspected.description;
  Json json;
  json["segment_id"] = description.id;
  json["file"] = description.file;
  json["missing"] = inspected.missing;
  json["allocated_bytes"] = description.allocated_bytes;
  json["used_bytes"] = description.used_bytes;
  json["records"] = inspected.records;
  json["first_sequence"] = description.first;
  json["last_sequence"] = description.last;
  json["tables"] = Json::array();
  for (const SegmentTableRange& range : description.tables) {
    json["tables"].push_back({{"table_id", range.table},
                              {"first_sequence", range.first},
                              {"last_sequence", range.last}});
  }
  json["damaged_ranges"] = Json::array();
  for (const DamagedRange& damage : inspected.damage) {
    json["damaged_ranges"].push_back({{"file", damage.file},
                                      {"offset", damage.offset},
                                      {"length", damage.length},
                                      {"first_sequence", damage.first},
                                      {"last_sequence", damage.last},
                                      {"description", damage.reason}});
  }
  if (inspected.torn_end > inspected.torn_begin) {
    json["torn_tail"] = {{"offset", inspected.torn_begin},
                         {"length", inspected.torn_end - inspected.torn_begin},
                         {"reason", inspected.torn_reason}};
  }
  return json;
}

}  // namespace

absl::Status FromEngine(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  if (status.ok() || !info.has_value()) return status;
  google::rpc::ErrorInfo details;
  details.set_reason(info->reason);
  details.set_domain("walden");
  for (const auto& [key, value] : info->metadata) (*details.mutable_metadata())[key] = value;
  return FailureWith(details, status.code(), status.message());
}

size_t DamageCount(const InspectedRegion& region) {
  size_t count = region.metadata.ok() ? 0 : 1;
  for (const InspectedSegment& inspected : region.segments) {
    count += inspected.damage.size() + (inspected.missing ? 1 : 0);
  }
  return count;
}

std::string InspectionText(const InspectedRegion& region) {
  std::string text =
      absl::StrCat("next sequence ", region.next, ", region version ", region.region_version, ", ",
                   region.closed_cleanly ? "closed cleanly" : "not closed cleanly", "\n");
  if (!region.metadata.ok()) {
    absl::StrAppend(&text, "metadata cannot be used, what follows comes from the segments alone: ",
                    region.metadata.message(), "\n");
  }
  for (const std::string& part : {TablesText(region), SegmentsText(region), FindingsText(region)}) {
    if (!part.empty()) absl::StrAppend(&text, "\n", part);
  }
  return text;
}

Json InspectionJson(const InspectedRegion& region) {
  Json json;
  json["next_sequence"] = region.next;
  json["region_version"] = region.region_version;
  json["closed_cleanly"] = region.closed_cleanly;
  if (!region.metadata.ok()) json["metadata_error"] = std::string(region.metadata.message());
  json["tables"] = Json::array();
  for (const TableState& table : region.tables) {
    json["tables"].push_back({{"table_id", table.table},
                              {"next_sequence", table.next},
                              {"deleted_through", table.deleted_through},
                              {"first_live_sequence", table.first_live},
                              {"last_live_sequence", table.last_live}});
  }
  json["segments"] = Json::array();
  for (const InspectedSegment& inspected : region.segments) {
    json["segments"].push_back(SegmentJson(inspected));
  }
  json["leftovers"] = region.leftovers;
  json["evidence_files"] = region.evidence_files;
  return json;
}

}  // namespace walden::cli
