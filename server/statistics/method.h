// The daemon's rpcs and their names.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace walden {

enum class Method {
  // WalService
  kAppend,
  kAppendStream,
  kOpenProducer,
  kRead,
  kMarkDeleted,
  kFenceRegion,
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
  kGetServerInfo,
  kListNamespaces,
  kListRegions,
  kDescribeRegion,
  kGetTablePosition,
  kSyncRegion,
  kCloseRegion,
  kDropRegion,
  kVerifyRegion,
  kGetStatistics,
};
inline constexpr size_t kMethods = static_cast<size_t>(Method::kGetStatistics) + 1;

struct MethodInfo {
  absl::string_view service;  // "WalService"
  absl::string_view name;     // "Append"
};

const MethodInfo& InfoOf(Method method);

// Whether it is a method of AdminService.
inline bool IsAdministrative(Method method) { return method >= Method::kGetServerInfo; }

}  // namespace walden
