#include "server/statistics/method.h"

#include <array>

namespace walden {

const MethodInfo& InfoOf(Method method) {
  static constexpr absl::string_view kWal = "WalService";
  static constexpr absl::string_view kEntry = "EntryService";
  static constexpr absl::string_view kAdmin = "AdminService";
  // In the order of the enumeration.
  static const auto& methods = *new std::array<MethodInfo, kMethods>{{
      {kWal, "Append"},
      {kWal, "AppendStream"},
      {kWal, "OpenProducer"},
      {kWal, "Read"},
      {kWal, "MarkDeleted"},
      {kWal, "FenceRegion"},
      {kWal, "Recover"},
      {kEntry, "Put"},
      {kEntry, "PutStream"},
      {kEntry, "Get"},
      {kEntry, "Scan"},
      {kEntry, "Flush"},
      {kEntry, "Finalize"},
      {kEntry, "Recover"},
      {kAdmin, "GetServerInfo"},
      {kAdmin, "ListNamespaces"},
      {kAdmin, "ListRegions"},
      {kAdmin, "DescribeRegion"},
      {kAdmin, "GetTablePosition"},
      {kAdmin, "SyncRegion"},
      {kAdmin, "CloseRegion"},
      {kAdmin, "DropRegion"},
      {kAdmin, "VerifyRegion"},
      {kAdmin, "GetStatistics"},
  }};
  return methods[static_cast<size_t>(method)];
}

}  // namespace walden
