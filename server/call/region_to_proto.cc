#include "server/call/region_to_proto.h"

#include <string>

#include "server/call/error_to_proto.h"
#include "server/call/time_to_proto.h"

namespace walden {
namespace {

v1::OpeningReport::Outcome OutcomeOf(OpeningReport::Outcome outcome) {
  switch (outcome) {
    case OpeningReport::Outcome::kClean:
      return v1::OpeningReport::OUTCOME_CLEAN;
    case OpeningReport::Outcome::kTornTail:
      return v1::OpeningReport::OUTCOME_TORN_TAIL;
    case OpeningReport::Outcome::kQuarantined:
      return v1::OpeningReport::OUTCOME_QUARANTINED;
  }
  return v1::OpeningReport::OUTCOME_UNSPECIFIED;
}

v1::RegionInfo::State StateOf(RegionListing::State state) {
  switch (state) {
    case RegionListing::State::kClosed:
      return v1::RegionInfo::STATE_CLOSED;
    case RegionListing::State::kOpen:
      return v1::RegionInfo::STATE_OPEN;
    case RegionListing::State::kFailed:
      return v1::RegionInfo::STATE_FAILED;
    case RegionListing::State::kBroken:
      return v1::RegionInfo::STATE_BROKEN;
  }
  return v1::RegionInfo::STATE_UNSPECIFIED;
}

v1::TableKind KindOf(TableKind kind) {
  switch (kind) {
    case TableKind::kLog:
      return v1::TABLE_KIND_LOG;
    case TableKind::kEntries:
      return v1::TABLE_KIND_ENTRIES;
  }
  return v1::TABLE_KIND_UNSPECIFIED;
}

v1::RecordOrder OrderOf(RecordOrder order) {
  switch (order) {
    case RecordOrder::kAppend:
      return v1::RECORD_ORDER_APPEND;
    case RecordOrder::kTable:
      return v1::RECORD_ORDER_TABLE;
  }
  return v1::RECORD_ORDER_UNSPECIFIED;
}

}  // namespace

void FillPosition(const TablePosition& position, v1::TablePosition* proto) {
  proto->set_first_live_sequence(position.first);
  proto->set_next_sequence(position.next);
  proto->set_deleted_through(position.deleted_through);
  proto->set_durable_through(position.durable_through);
}

void FillDamagedRange(const DamagedRange& range, v1::DamagedRange* proto) {
  proto->set_file(range.file);
  proto->set_offset(range.offset);
  proto->set_length(range.length);
  proto->set_first_sequence(range.first);
  proto->set_last_sequence(range.last);
  proto->set_description(range.reason);
  if (range.table.has_value()) proto->set_table_id(*range.table);
}

void FillRegionState(const RegionDescription& description, const LogEngine& engine,
                     v1::RegionState* proto) {
  proto->set_engine(std::string(engine.name()));
  proto->set_record_order(OrderOf(engine.record_order()));
  proto->set_region_version(description.region_version);
  const OpeningReport& opening = description.opening;
  v1::OpeningReport* const report = proto->mutable_opening();
  report->set_outcome(OutcomeOf(opening.outcome));
  report->set_torn_tail_bytes(opening.torn_tail_bytes);
  report->set_evidence_file(opening.evidence_file);
  report->set_scanned_record_count(opening.records_scanned);
  report->set_scanned_bytes(opening.bytes_scanned);
  *report->mutable_scan_duration() =
      ToProtoDuration(absl::Microseconds(static_cast<int64_t>(opening.duration_micros)));
  FillRegionLists(description, proto);
}

void FillRegionLists(const RegionDescription& description, v1::RegionState* proto) {
  for (const TableState& table : description.tables) {
    v1::TableState* const state = proto->add_tables();
    state->set_table_id(table.table);
    state->set_kind(KindOf(table.kind));
    v1::TablePosition* const position = state->mutable_position();
    position->set_first_live_sequence(table.first_live == 0 ? table.next : table.first_live);
    position->set_next_sequence(table.next);
    position->set_deleted_through(table.deleted_through);
    position->set_durable_through(table.durable_through);
    state->set_last_live_sequence(table.last_live);
  }
  for (const DamagedRange& range : description.opening.damaged) {
    FillDamagedRange(range, proto->mutable_opening()->add_damaged_ranges());
  }
}

void FillSegments(const RegionDescription& description, v1::DescribeRegionResponse* proto) {
  for (const SegmentDescription& segment : description.segments) {
    v1::SegmentInfo* const info = proto->add_segments();
    info->set_segment_id(segment.id);
    info->set_file(segment.file);
    info->set_allocated_bytes(segment.allocated_bytes);
    info->set_used_bytes(segment.used_bytes);
    info->set_live_bytes(segment.live_bytes);
    info->set_first_sequence(segment.first);
    info->set_last_sequence(segment.last);
    for (const SegmentTableRange& range : segment.tables) {
      v1::SegmentTableRange* const table = info->add_tables();
      table->set_table_id(range.table);
      table->set_first_sequence(range.first);
      table->set_last_sequence(range.last);
    }
  }
}

void FillBounds(const Namespace& ns, RegionId region, const RetentionLimits& retention,
                v1::DescribeRegionResponse* proto) {
  if (!retention.none()) {
    v1::Retention* const shown = proto->mutable_retention();
    if (retention.age > absl::ZeroDuration()) {
      *shown->mutable_max_age() = ToProtoDuration(retention.age);
    }
    shown->set_max_bytes(retention.bytes);
    shown->set_max_record_count(retention.records);
  }
  if (ns.quotas == nullptr) return;
  proto->set_disk_quota_bytes(ns.quotas->OfRegion(region).limit());
  proto->set_namespace_disk_quota_bytes(ns.quotas->whole().limit());
}

void FillRegionInfo(const RegionListing& listing, v1::RegionInfo* proto) {
  proto->set_region_id(listing.region);
  proto->set_state(StateOf(listing.state));
  if (!listing.error.ok()) ToProtoStatus(listing.error, proto->mutable_error());
}

void FillRegionUsage(const RegionUsage& usage, v1::RegionUsage* proto) {
  proto->set_table_count(usage.tables);
  proto->set_live_record_count(usage.live_records);
  proto->set_live_bytes(usage.live_bytes);
  proto->set_allocated_bytes(usage.allocated_bytes);
  proto->set_damaged_range_count(usage.damaged_ranges);
  if (!usage.oldest.has_value() || !usage.oldest->appended_unix_micros.has_value()) return;
  *proto->mutable_oldest_append_time() =
      ToProtoTime(absl::FromUnixMicros(*usage.oldest->appended_unix_micros));
}

}  // namespace walden
