#include "server/status/status_json.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "nlohmann/json.hpp"

namespace walden {
namespace {

// Keys stay in the order in which they were set.
using Json = nlohmann::ordered_json;

// Numbers of browsers are exact only up to 2^53, so ids and sequence numbers are text.
std::string Exact(uint64_t number) { return absl::StrCat(number); }

std::string ErrorText(const absl::Status& status) {
  if (status.ok()) return "";
  std::string text = status.ToString(absl::StatusToStringMode::kWithNoExtraData);
  if (text.size() > kMaxStatusErrorBytes) {
    text.resize(kMaxStatusErrorBytes);
    text += "...";
  }
  return text;
}

absl::string_view StateName(RegionSummary::State state) {
  switch (state) {
    case RegionSummary::State::kClosed:
      return "closed";
    case RegionSummary::State::kOpening:
      return "opening";
    case RegionSummary::State::kOpen:
      return "open";
    case RegionSummary::State::kFailed:
      return "failed";
    case RegionSummary::State::kClosing:
      return "closing";
    case RegionSummary::State::kBroken:
      return "broken";
  }
  return "unknown";
}

// Broken and failed regions come first, then those with the most disk, so that the least important
// ones are left out.
std::vector<const RegionSummary*> InOrder(const std::vector<RegionSummary>& regions) {
  std::vector<const RegionSummary*> order;
  order.reserve(regions.size());
  for (const RegionSummary& region : regions) order.push_back(&region);
  const auto rank = [](const RegionSummary* region) {
    const uint64_t bytes = region->usage ? region->usage->allocated_bytes : 0;
    return std::tuple(region->error.ok(), ~bytes, region->key.namespace_id, region->key.region);
  };
  std::sort(order.begin(), order.end(),
            [&](const RegionSummary* a, const RegionSummary* b) { return rank(a) < rank(b); });
  return order;
}

Json OldestJson(const OldestRecord& oldest) {
  Json json = {{"table", Exact(oldest.table)},
               {"sequence", Exact(oldest.sequence)},
               {"age_seconds", nullptr}};
  if (oldest.age.has_value()) json["age_seconds"] = absl::ToDoubleSeconds(*oldest.age);
  return json;
}

Json RegionJson(const RegionSummary& region) {
  Json json = {{"namespace", region.key.namespace_id},
               {"region", Exact(region.key.region)},
               {"state", std::string(StateName(region.state))},
               {"error", ErrorText(region.error)},
               {"usage", nullptr}};
  if (!region.usage.has_value()) return json;
  const RegionUsage& usage = *region.usage;
  json["usage"] = {{"tables", usage.tables},
                   {"segments", usage.segments},
                   {"live_records", usage.live_records},
                   {"allocated_bytes", usage.allocated_bytes},
                   {"live_bytes", usage.live_bytes},
                   {"damaged_ranges", usage.damaged_ranges},
                   {"oldest", usage.oldest ? OldestJson(*usage.oldest) : Json(nullptr)}};
  return json;
}

// Sets `name` to at most `most` elements, and `name`_left_out to the number of the others.
template <typename Elements, typename Make>
void SetSome(Json* json, const std::string& name, const Elements& elements, size_t most,
             Make make) {
  Json list = Json::array();
  for (const auto& element : elements) {
    if (list.size() == most) break;
    list.push_back(make(element));
  }
  (*json)[name + "_left_out"] = elements.size() - list.size();
  (*json)[name] = std::move(list);
}

Json TableJson(const TableState& table) {
  return {{"table", Exact(table.table)},
          {"kind", table.kind == TableKind::kEntries ? "entries" : "log"},
          {"next", Exact(table.next)},
          {"deleted_through", Exact(table.deleted_through)},
          {"first_live", Exact(table.first_live)},
          {"last_live", Exact(table.last_live)}};
}

Json SegmentJson(const SegmentDescription& segment) {
  return {{"segment", Exact(segment.id)},
          {"file", segment.file},
          {"allocated_bytes", segment.allocated_bytes},
          {"used_bytes", segment.used_bytes},
          {"live_bytes", segment.live_bytes},
          {"first", Exact(segment.first)},
          {"last", Exact(segment.last)},
          {"live_tables", segment.tables.size()}};
}

Json DamageJson(const DamagedRange& range) {
  return {{"file", range.file},          {"offset", range.offset},    {"length", range.length},
          {"first", Exact(range.first)}, {"last", Exact(range.last)}, {"reason", range.reason}};
}

Json SelectedJson(const RegionKey& key, const RegionSummary* summary,
                  const RegionSummaries::Whole& whole, absl::Duration now) {
  Json json = RegionJson(summary == nullptr ? RegionSummary{.key = key} : *summary);
  // Only the disk knows whether it was ever written.
  if (summary == nullptr) json["state"] = "unknown";
  const RegionDescription nothing;
  const RegionDescription& shown = whole.description ? *whole.description : nothing;
  json["age_seconds"] = whole.description ? absl::ToDoubleSeconds(now - whole.taken) : 0.0;
  json["region_version"] = Exact(shown.region_version);
  json["torn_tail_bytes"] = shown.opening.torn_tail_bytes;
  json["disk_holder"] = nullptr;
  if (const auto holder = DiskHolderOf(shown); holder.has_value()) {
    json["disk_holder"] = {{"table", Exact(holder->table)}, {"bytes", holder->bytes}};
  }
  SetSome(&json, "tables", shown.tables, kMaxStatusTables, TableJson);
  SetSome(&json, "segments", shown.segments, kMaxStatusSegments, SegmentJson);
  SetSome(&json, "damaged", shown.opening.damaged, kMaxStatusDamage, DamageJson);
  return json;
}

Json CountersJson(const Statistics& statistics) {
  return {{"append_batches", statistics.appended_batches.load()},
          {"append_records", statistics.appended_records.load()},
          {"append_bytes", statistics.appended_payload_bytes.load()},
          {"refused_batches", statistics.refused_batches.load()},
          {"commits", statistics.commits.load()},
          {"syncs", statistics.syncs.load()},
          {"read_records", statistics.read_records.load()},
          {"read_bytes", statistics.read_payload_bytes.load()}};
}

Json LatencyJson(const Histogram& histogram) {
  const Histogram::Snapshot nanos = histogram.Read();
  Json bounds = Json::array();
  for (const uint64_t bound : nanos.bounds) bounds.push_back(static_cast<double>(bound) / 1e9);
  return {{"bounds_seconds", std::move(bounds)}, {"counts", nanos.counts}};
}

Json StartJson(const RegionRegistry& registry) {
  const StartProgress progress = registry.start_progress();
  return {{"namespaces_to_open", progress.namespaces_to_open},
          {"regions_to_scan", progress.regions_to_scan},
          {"unconfigured", registry.namespaces().unconfigured()}};
}

Json LevelsJson(const ServerObservation& server, const RegionRegistry& registry) {
  const MemoryBudget& mailbox = registry.mailbox_budget();
  const MemoryBudget& entries = server.entry_memory.pages();
  return {{"mailbox", {{"used", mailbox.used()}, {"limit", mailbox.limit()}}},
          {"readers",
           {{"used", server.reader_budget.used()},
            {"limit", server.reader_budget.limit()},
            {"open", server.statistics.open_readers.load()}}},
          {"entries", {{"used", entries.used()}, {"limit", entries.limit()}}},
          {"regions", {{"used", registry.open_regions()}, {"limit", registry.max_open_regions()}}}};
}

Json DiskJson(const StatusJson::Disk& disk) {
  Json json = {{"path", disk.path},
               {"free_bytes", nullptr},
               {"total_bytes", nullptr},
               {"reserve_bytes", nullptr},
               {"error", ErrorText(disk.free_bytes.status())}};
  if (disk.free_bytes.ok()) json["free_bytes"] = *disk.free_bytes;
  if (disk.total_bytes.has_value()) json["total_bytes"] = *disk.total_bytes;
  if (disk.reserve_bytes.has_value()) json["reserve_bytes"] = *disk.reserve_bytes;
  return json;
}

Json EventJson(const RecentEvent& event) {
  Json json = {{"time_unix_millis", event.unix_millis},
               {"severity", event.severity == LogSeverity::kError ? "error" : "warning"},
               {"event", event.event},
               {"namespace", nullptr},
               {"region", nullptr},
               {"text", event.text},
               {"count", event.count}};
  if (event.namespace_id.has_value()) json["namespace"] = *event.namespace_id;
  if (event.region.has_value()) json["region"] = Exact(*event.region);
  return json;
}

Json NamespacesJson(const NamespaceSet& namespaces, const RegionSummaries::Picture& picture) {
  Json list = Json::array();
  for (const Namespace* ns : namespaces.All()) {
    Json json = {{"id", ns->id},
                 {"name", ns->name},
                 {"engine", std::string(ns->engine->name())},
                 {"error", ""}};
    for (const RegionSummaries::NamespaceError& unlisted : picture.unlisted) {
      if (unlisted.id == ns->id) json["error"] = ErrorText(unlisted.error);
    }
    list.push_back(std::move(json));
  }
  return list;
}

absl::Status BadQuery(absl::string_view field, absl::string_view value, absl::string_view limit) {
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                   absl::StrCat(field, " is '", value, "', but must be ", limit),
                   {{"field", std::string(field)},
                    {"value", std::string(value)},
                    {"limit", std::string(limit)}});
}

}  // namespace

absl::StatusOr<std::optional<RegionKey>> ParseStatusQuery(const NamespaceSet& namespaces,
                                                          absl::string_view query) {
  std::optional<uint64_t> region;
  std::optional<uint64_t> ns;
  for (const absl::string_view part : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    std::optional<uint64_t>* const to = field.first == "region"      ? &region
                                        : field.first == "namespace" ? &ns
                                                                     : nullptr;
    if (to == nullptr) return BadQuery("query", field.first, "region or namespace");
    uint64_t number = 0;
    if (to->has_value() || !absl::SimpleAtoi(field.second, &number)) {
      return BadQuery(field.first, field.second, "one number from 0 to 18446744073709551615");
    }
    *to = number;
  }
  const uint64_t id = ns.value_or(0);
  const Namespace* const found =
      id > UINT8_MAX ? nullptr : namespaces.Find(static_cast<uint32_t>(id));
  if (found == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, ErrorReason::kUnknownNamespace,
                     absl::StrCat("there is no namespace ", id),
                     {{"field", "namespace"}, {"value", absl::StrCat(id)}});
  }
  if (!region.has_value()) return std::nullopt;
  return RegionKey{found->id, *region};
}

std::string StatusJson::Make(const RegionRegistry& registry,
                             const std::optional<RegionKey>& selected) {
  // Before the picture, so that the picture is at least as new.
  RegionSummaries::Whole whole;
  if (selected.has_value()) whole = regions_.Describe(registry, *selected);
  const std::shared_ptr<const RegionSummaries::Picture> picture = regions_.Look(registry);
  const absl::Duration now = server_.clock.Now();
  const absl::Status ready = sources_.readiness ? sources_.readiness() : absl::OkStatus();

  Json json = {
      {"format", 1},
      {"version", server_.version},
      {"time_unix_millis", server_.wall_clock.UnixMillis()},
      {"uptime_seconds", absl::ToDoubleSeconds(now - server_.started)},
      {"ready", ready.ok()},
      {"not_ready_because", std::string(ready.message())},
      {"start", StartJson(registry)},
      {"counters", CountersJson(server_.statistics)},
      {"append_latency", LatencyJson(server_.statistics.Of(Method::kAppend).duration_nanos)},
      {"stream_append_latency",
       LatencyJson(server_.statistics.Of(Method::kAppendStream).request_nanos)},
      {"levels", LevelsJson(server_, registry)},
      {"disk", nullptr}};
  if (sources_.disk) json["disk"] = DiskJson(sources_.disk());
  json["namespaces"] = NamespacesJson(registry.namespaces(), *picture);
  const std::vector<const RegionSummary*> order = InOrder(picture->regions);
  SetSome(&json, "regions", order, kMaxStatusRegions,
          [](const RegionSummary* region) { return RegionJson(*region); });
  json["selected"] = nullptr;
  if (selected.has_value()) {
    const auto found =
        std::find_if(order.begin(), order.end(),
                     [&selected](const RegionSummary* region) { return region->key == *selected; });
    json["selected"] = SelectedJson(*selected, found == order.end() ? nullptr : *found, whole, now);
  }
  json["events"] = Json::array();
  if (sources_.events != nullptr) {
    for (const RecentEvent& event : sources_.events->Latest()) {
      json["events"].push_back(EventJson(event));
    }
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace walden
