// Requests with the fields that every request about a region or a table has.
#pragma once

#include <cstdint>

#include "cli/session.h"

namespace walden::cli {

template <typename Request>
Request RegionRequest(const Session& session, uint64_t region) {
  Request request;
  request.set_namespace_id(session.common().namespace_id);
  request.set_region_id(region);
  return request;
}

template <typename Request>
Request TableRequest(const Session& session, uint64_t region, uint64_t table) {
  auto request = RegionRequest<Request>(session, region);
  request.set_table_id(table);
  return request;
}

// A table's request that is answered in messages of up to kMaxMessageBytes.
template <typename Request>
Request TableMessagesRequest(const Session& session, uint64_t region, uint64_t table) {
  auto request = TableRequest<Request>(session, region, table);
  request.set_max_message_bytes(kMaxMessageBytes);
  return request;
}

}  // namespace walden::cli
