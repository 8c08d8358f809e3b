#include "cli/client/admin_pages.h"

#include <utility>

#include "cli/console/failure.h"

namespace walden::cli {
namespace {

using Admin = v1::AdminService::Stub;

// Puts the lists of `page` behind those of `whole`. A segment that stands on two pages is one.
void Append(v1::DescribeRegionResponse page, v1::DescribeRegionResponse& whole) {
  v1::DescribeRegionResponse lists = std::move(whole);
  whole = std::move(page);
  for (v1::TableState& table : *whole.mutable_state()->mutable_tables()) {
    *lists.mutable_state()->add_tables() = std::move(table);
  }
  for (v1::DamagedRange& range :
       *whole.mutable_state()->mutable_opening()->mutable_damaged_ranges()) {
    *lists.mutable_state()->mutable_opening()->add_damaged_ranges() = std::move(range);
  }
  for (v1::SegmentInfo& segment : *whole.mutable_segments()) {
    const int known = lists.segments_size();
    if (known > 0 && lists.segments(known - 1).segment_id() == segment.segment_id()) {
      lists.mutable_segments(known - 1)->mutable_tables()->MergeFrom(segment.tables());
    } else {
      *lists.add_segments() = std::move(segment);
    }
  }
  whole.mutable_state()->mutable_tables()->Swap(lists.mutable_state()->mutable_tables());
  whole.mutable_state()->mutable_opening()->mutable_damaged_ranges()->Swap(
      lists.mutable_state()->mutable_opening()->mutable_damaged_ranges());
  whole.mutable_segments()->Swap(lists.mutable_segments());
}

}  // namespace

absl::StatusOr<v1::ListNamespacesResponse> ListNamespaces(Connection& connection) {
  v1::ListNamespacesRequest request;
  v1::ListNamespacesResponse all;
  do {
    v1::ListNamespacesResponse page;
    absl::Status asked =
        connection.Unary(&Admin::ListNamespaces, connection.admin(), request, &page);
    if (!asked.ok()) return asked;
    request.set_page_token(page.next_page_token());
    all.mutable_namespaces()->MergeFrom(page.namespaces());
  } while (!request.page_token().empty());
  return all;
}

absl::StatusOr<uint32_t> NamedNamespace(Connection& connection, uint32_t namespace_id) {
  if (namespace_id != 0) return namespace_id;
  const auto answer = ListNamespaces(connection);
  if (!answer.ok()) return answer.status();
  for (const v1::NamespaceInfo& info : answer->namespaces()) {
    if (info.is_default()) return info.namespace_id();
  }
  return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput,
                 "the daemon does not tell its default namespace; give --namespace");
}

absl::StatusOr<v1::GetServerInfoResponse> GetServerInfo(Connection& connection) {
  v1::GetServerInfoResponse info;
  absl::Status asked = connection.Unary(&Admin::GetServerInfo, connection.admin(),
                                        v1::GetServerInfoRequest(), &info);
  if (!asked.ok()) return asked;
  return info;
}

absl::StatusOr<v1::ListRegionsResponse> ListRegions(Connection& connection, uint32_t namespace_id) {
  v1::ListRegionsRequest request;
  request.set_namespace_id(namespace_id);
  v1::ListRegionsResponse all;
  do {
    v1::ListRegionsResponse page;
    absl::Status asked = connection.Unary(&Admin::ListRegions, connection.admin(), request, &page);
    if (!asked.ok()) return asked;
    request.set_page_token(page.next_page_token());
    all.mutable_regions()->MergeFrom(page.regions());
  } while (!request.page_token().empty());
  return all;
}

absl::StatusOr<std::vector<uint64_t>> RegionIds(Connection& connection, uint32_t namespace_id) {
  const auto all = ListRegions(connection, namespace_id);
  if (!all.ok()) return all.status();
  std::vector<uint64_t> regions;
  for (const v1::RegionInfo& info : all->regions()) regions.push_back(info.region_id());
  return regions;
}

absl::StatusOr<v1::DescribeRegionResponse> DescribeRegion(Connection& connection,
                                                          uint32_t namespace_id, uint64_t region) {
  v1::DescribeRegionRequest request;
  request.set_namespace_id(namespace_id);
  request.set_region_id(region);
  v1::DescribeRegionResponse whole;
  do {
    v1::DescribeRegionResponse page;
    absl::Status asked =
        connection.Unary(&Admin::DescribeRegion, connection.admin(), request, &page);
    if (!asked.ok()) return asked;
    request.set_page_token(page.next_page_token());
    Append(std::move(page), whole);
  } while (!request.page_token().empty());
  return whole;
}

absl::Status CheckRegionExists(Connection& connection, uint32_t namespace_id, uint64_t region) {
  v1::DescribeRegionRequest request;
  request.set_namespace_id(namespace_id);
  request.set_region_id(region);
  request.set_page_size(1);
  v1::DescribeRegionResponse page;
  const absl::Status asked =
      connection.Unary(&Admin::DescribeRegion, connection.admin(), request, &page);
  return absl::IsNotFound(asked) ? asked : absl::OkStatus();
}

}  // namespace walden::cli
