#include "server/statistics/method.h"

#include <array>

namespace walden {

const MethodInfo& InfoOf(Method method) {
  static constexpr absl::string_view kWal = "WalService";
  static constexpr absl::string_view kEntry = "EntryService";
  static constexpr absl::string_view kAdmin = "AdminService";
  // In the order of the enumeration.
  static const auto& methods = *new std::array<MethodInfo, kMethods>{{
      {kWal, "Append", Right::kAppend},
      {kWal, "AppendStream", Right::kAppend},
      {kWal, "OpenProducer", Right::kAppend},
      {kWal, "Read", Right::kRead},
      {kWal, "MarkDeleted", Right::kDelete},
      {kWal, "Recover", Right::kRead},
      {kEntry, "Put", Right::kAppend},
      {kEntry, "PutStream", Right::kAppend},
      {kEntry, "Get", Right::kRead},
      {kEntry, "Scan", Right::kRead},
      {kEntry, "Flush", Rights(Right::kAppend) | Right::kRead},
      {kEntry, "Finalize", Right::kDelete},
      {kEntry, "Recover", Right::kRead},
      {kAdmin, "ListNamespaces", Rights()},
      {kAdmin, "ListRegions", Rights()},
      {kAdmin, "DescribeRegion", Right::kRead},
      {kAdmin, "GetNextSequence", Right::kRead},
      {kAdmin, "SyncRegion", Right::kAppend},
      {kAdmin, "CloseRegion", Right::kAdmin},
      {kAdmin, "DropRegion", Right::kAdmin},
      {kAdmin, "Verify", Right::kAdmin},
      {kAdmin, "GetStatistics", Rights()},
  }};
  return methods[static_cast<size_t>(method)];
}

}  // namespace walden
