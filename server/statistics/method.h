// The daemon's rpcs, by name and by what a caller must be allowed to make them.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"
#include "server/security/identity.h"

namespace walden {

enum class Method {
  // WalService
  kAppend,
  kAppendStream,
  kOpenProducer,
  kRead,
  kMarkDeleted,
  kRecover,
  // EntryService
  kPut,
  kPutStream,
  kGet,
  kScan,
  kFlush,
  kFinalize,
  kRecoverEntries,
  // AdminService
  kListNamespaces,
  kListRegions,
  kDescribeRegion,
  kGetNextSequence,
  kSyncRegion,
  kCloseRegion,
  kDropRegion,
  kVerify,
  kGetStatistics,
};
inline constexpr size_t kMethods = static_cast<size_t>(Method::kGetStatistics) + 1;

struct MethodInfo {
  absl::string_view service;  // "WalService"
  absl::string_view name;     // "Append"
  Rights rights;              // on the region that the request names; none: any caller
};

const MethodInfo& InfoOf(Method method);

// Whether it is one of AdminService's.
inline bool IsAdministrative(Method method) { return method >= Method::kListNamespaces; }

}  // namespace walden
