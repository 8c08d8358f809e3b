// Checks of requests. Every refusal is INVALID_ARGUMENT and names field, value and limit.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/types.h"
#include "server/mailbox_job.h"
#include "server/namespaces.h"
#include "server/region_actor.h"
#include "server/rpc_context.h"
#include "walden/v1/wal.pb.h"

namespace walden {

// UNKNOWN_NAMESPACE, or the namespace with that id; 0 is the default one.
absl::StatusOr<const Namespace*> CheckNamespace(const NamespaceSet& namespaces, uint32_t id);

absl::StatusOr<RegionKey> CheckRegion(const NamespaceSet& namespaces, uint32_t namespace_id,
                                      uint64_t region_id);

// Checks an append and fills `job`, whose payloads then point into `request`.
absl::StatusOr<RegionKey> PrepareAppend(const v1::AppendRequest& request, const RpcContext& context,
                                        AppendJob& job);

// Both inclusive. Empty when first > last.
struct SequenceBounds {
  SequenceNumber first = 1;
  SequenceNumber last = kMaxSequenceNumber;
  bool empty() const { return first > last; }
};

// BOUNDS_REVERSED if the start lies above the end.
absl::StatusOr<SequenceBounds> CheckBounds(const v1::Bound& start, const v1::Bound& end);

}  // namespace walden
