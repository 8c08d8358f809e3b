#include "cli/console/json.h"

#include "google/rpc/error_details.pb.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "walden/v1/admin.pb.h"
#include "walden/v1/wal.pb.h"

namespace walden::cli {
namespace {

TEST(Json, MessagesKeepTheirFieldNamesNumbersAndDefaults) {
  v1::NamespaceInfo info;
  info.set_namespace_id(1);
  info.set_name("data");
  info.set_region_count(UINT64_MAX);
  EXPECT_EQ(JsonLine(ToJson(info)),
            "{\"namespace_id\":1,\"name\":\"data\",\"engine\":\"\",\"is_default\":false,"
            "\"region_count\":\"18446744073709551615\"}\n");
}

TEST(Json, AnErrorInAnAnswerIsAsThoseOfFailures) {
  v1::NamespaceInfo info;
  info.mutable_error()->set_code(static_cast<int>(grpc::StatusCode::DATA_LOSS));
  info.mutable_error()->set_message("damaged");
  EXPECT_EQ(ToJson(info)["error"].dump(), "{\"code\":\"DATA_LOSS\",\"message\":\"damaged\"}");
  google::rpc::ErrorInfo reason;
  reason.set_reason("CORRUPTION");
  (*reason.mutable_metadata())["file"] = "1/seg_0";
  info.mutable_error()->add_details()->PackFrom(reason);
  EXPECT_EQ(ToJson(info)["error"].dump(),
            "{\"code\":\"DATA_LOSS\",\"reason\":\"CORRUPTION\",\"metadata\":{\"file\":\"1/seg_0\"},"
            "\"message\":\"damaged\"}");
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

TEST(Json, TimesAndDurationsAreTextAsInProtobufsOwnJson) {
  v1::GetServerInfoResponse info;
  info.mutable_start_time()->set_seconds(1'700'000'000);
  EXPECT_EQ(ToJson(info)["start_time"], "2023-11-14T22:13:20Z");
  info.mutable_start_time()->set_nanos(120'000'000);
  EXPECT_EQ(ToJson(info)["start_time"], "2023-11-14T22:13:20.12Z");
  info.mutable_start_time()->set_seconds(-1);
  EXPECT_EQ(ToJson(info)["start_time"], "1969-12-31T23:59:59.12Z");
  EXPECT_FALSE(ToJson(v1::GetServerInfoResponse()).contains("start_time"));

  v1::Retention retention;
  retention.mutable_max_age()->set_seconds(86'400);
  EXPECT_EQ(ToJson(retention)["max_age"], "86400s");
  retention.mutable_max_age()->set_nanos(50'000'000);
  EXPECT_EQ(ToJson(retention)["max_age"], "86400.05s");
  retention.mutable_max_age()->set_seconds(0);
  retention.mutable_max_age()->set_nanos(-1);
  EXPECT_EQ(ToJson(retention)["max_age"], "-0.000000001s");
}

TEST(Json, EnumsAreNamesAndRepeatedMessagesArrays) {
  v1::ListRegionsResponse regions;
  regions.add_regions()->set_state(v1::RegionInfo::STATE_OPEN);
  EXPECT_EQ(JsonLine(ToJson(regions)),
            "{\"regions\":[{\"region_id\":0,\"state\":\"STATE_OPEN\"}],"
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
