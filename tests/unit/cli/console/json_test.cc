#include "cli/console/json.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "walden/v1/admin.pb.h"
#include "walden/v1/entry.pb.h"
#include "walden/v1/wal.pb.h"

namespace walden::cli {
namespace {

TEST(Json, MessagesKeepTheirFieldNamesNumbersAndDefaults) {
  v1::NamespaceInfo info;
  info.set_id(1);
  info.set_name("data");
  info.set_regions(UINT64_MAX);
  EXPECT_EQ(JsonLine(ToJson(info)),
            "{\"id\":1,\"name\":\"data\",\"engine\":\"\",\"is_default\":false,"
            "\"regions\":\"18446744073709551615\",\"error\":\"\"}\n");
}

TEST(Json, IntegersThatADoubleCannotHoldAreStrings) {
  Json object;
  object["exact"] = uint64_t{1} << 53;
  object["above"] = (uint64_t{1} << 53) + 1;
  object["nested"] = Json::array({UINT64_MAX, INT64_MIN, -1});
  EXPECT_EQ(JsonLine(object),
            "{\"exact\":9007199254740992,\"above\":\"9007199254740993\","
            "\"nested\":[\"18446744073709551615\",\"-9223372036854775808\",-1]}\n");
}

TEST(Json, SignedIntegersThatADoubleCannotHoldAreStringsToo) {
  v1::Entry entry;
  entry.set_key("k");
  entry.set_created_unix_ms(int64_t{1} << 53);
  entry.set_expires_unix_ms(INT64_MAX);
  EXPECT_EQ(JsonLine(ToJson(entry)),
            "{\"key\":\"k\",\"value\":\"\",\"tombstone\":false,"
            "\"created_unix_ms\":9007199254740992,"
            "\"expires_unix_ms\":\"9223372036854775807\",\"sequence\":0}\n");
}

TEST(Json, EnumsAreNamesAndRepeatedMessagesArrays) {
  v1::ListRegionsResponse regions;
  regions.add_regions()->set_state(v1::RegionInfo::STATE_OPEN);
  EXPECT_EQ(JsonLine(ToJson(regions)),
            "{\"regions\":[{\"region_id\":0,\"state\":\"STATE_OPEN\",\"error\":\"\"}],"
            "\"next_page_token\":\"\"}\n");
}

TEST(Json, AbsentMessagesAndOptionalsAreLeftOut) {
  v1::MarkDeletedRequest request;
  EXPECT_FALSE(ToJson(request).contains("region_version"));
  request.set_region_version(0);
  EXPECT_EQ(ToJson(request)["region_version"], 0);
  EXPECT_FALSE(ToJson(v1::DescribeRegionResponse()).contains("info"));
}

TEST(Json, TextThatIsNotUtf8IsReplacedInsteadOfFailing) {
  Json object;
  object["message"] = "bad \xFF byte";
  EXPECT_EQ(JsonLine(object), "{\"message\":\"bad \xEF\xBF\xBD byte\"}\n");
}

}  // namespace
}  // namespace walden::cli
