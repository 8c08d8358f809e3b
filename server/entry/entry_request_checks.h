// Checks of EntryService's requests. Every refusal is INVALID_ARGUMENT and names field, value and
// limit.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/entry/entry_cursor.h"
#include "server/call/call.h"
#include "server/call/request_limits.h"
#include "server/region/mailbox_job.h"
#include "server/region/region_actor.h"
#include "walden/v1/entry.pb.h"

namespace walden {

// Checks a put and fills `job`. The job's payloads point into `job.encoded`.
absl::StatusOr<RegionKey> PreparePut(const v1::PutRequest& request, const Call& call,
                                     const RequestLimits& limits, AppendJob& job);

absl::Status CheckKeys(const v1::GetRequest& request, const RequestLimits& limits);

absl::StatusOr<entry::CursorRange> CheckKeyRange(const v1::ScanRequest& request,
                                                 const RequestLimits& limits);

// FAILED_PRECONDITION (UNKNOWN_FLUSH): the table is empty, so the id is not of a flush.
absl::Status NoSuchFlush(TableId table, SequenceNumber flush);

}  // namespace walden
