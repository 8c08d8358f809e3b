#include "server/call/page_token.h"

#include <algorithm>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "server/call/request_checks.h"

namespace walden {
namespace {

constexpr absl::string_view kNamespaces = "namespaces";
constexpr absl::string_view kRegions = "regions";
constexpr absl::string_view kDescribe = "describe";

absl::Status BadToken(absl::string_view token) {
  return MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                   absl::StrCat("page_token is not one that an earlier page of the same request "
                                "answered: begin again without one"),
                   {{"field", "page_token"}, {"value", std::string(token)}});
}

// The numbers behind the kind, exactly `count`; nullopt if it is no such token.
std::optional<std::vector<uint64_t>> Numbers(absl::string_view token, absl::string_view kind,
                                             size_t count) {
  const std::vector<absl::string_view> parts = absl::StrSplit(token, '.');
  if (parts.size() != count + 1 || parts[0] != kind) return std::nullopt;
  std::vector<uint64_t> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    if (!absl::SimpleAtoi(parts[i + 1], &numbers[i])) return std::nullopt;
  }
  return numbers;
}

}  // namespace

std::string RegionsToken(NamespaceId ns, RegionId behind) {
  return absl::StrCat(kRegions, ".", ns, ".", behind);
}

absl::StatusOr<std::optional<RegionId>> ParseRegionsToken(absl::string_view token, NamespaceId ns) {
  if (token.empty()) return std::nullopt;
  const auto numbers = Numbers(token, kRegions, 2);
  if (!numbers || (*numbers)[0] != ns) return BadToken(token);
  return (*numbers)[1];
}

std::string DescribeToken(const RegionKey& key, const DescribeCursor& next) {
  return absl::StrCat(kDescribe, ".", key.namespace_id, ".", key.region, ".",
                      static_cast<int>(next.part), ".", next.from, ".", next.table);
}

absl::StatusOr<DescribeCursor> ParseDescribeToken(absl::string_view token, const RegionKey& key) {
  if (token.empty()) return DescribeCursor{};
  const auto numbers = Numbers(token, kDescribe, 5);
  if (!numbers || (*numbers)[0] != key.namespace_id || (*numbers)[1] != key.region ||
      (*numbers)[2] > static_cast<uint64_t>(DescribeCursor::Part::kSegments)) {
    return BadToken(token);
  }
  return DescribeCursor{.part = static_cast<DescribeCursor::Part>((*numbers)[2]),
                        .from = (*numbers)[3],
                        .table = (*numbers)[4]};
}

std::string NamespacesToken(NamespaceId behind) { return absl::StrCat(kNamespaces, ".", behind); }

absl::StatusOr<std::optional<NamespaceId>> ParseNamespacesToken(absl::string_view token) {
  if (token.empty()) return std::nullopt;
  const auto numbers = Numbers(token, kNamespaces, 1);
  if (!numbers || (*numbers)[0] > std::numeric_limits<NamespaceId>::max()) return BadToken(token);
  return static_cast<NamespaceId>((*numbers)[0]);
}

absl::StatusOr<size_t> PageItems(int32_t page_size, size_t most) {
  if (page_size < 0) {
    return InvalidField("page_size", absl::StrCat(page_size), "must not be negative");
  }
  return page_size == 0 ? most : std::min<size_t>(page_size, most);
}

}  // namespace walden
