#include "server/status/status_json.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "nlohmann/json.hpp"
#include "server/status/status_page.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

using Json = nlohmann::json;

class StatusJsonTest : public WaldenServerTest {
 protected:
  Json Look(std::optional<RegionKey> selected = std::nullopt, StatusJson::Sources sources = {}) {
    StatusJson status(server_->observation(), std::move(sources));
    return Json::parse(status.Make(Registry(), selected));
  }
  const NamespaceSet& namespaces() { return Registry().namespaces(); }
  void Break(RegionId region, absl::string_view why) {
    engine_->Region(region);
    engine_->FailOpening(region,
                         MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption, why));
    v1::ReadResponse ignored;
    EXPECT_EQ(Read(ReadOf(region, 1), &ignored).error_code(), grpc::StatusCode::DATA_LOSS);
  }
};

TEST_F(StatusJsonTest, SaysWhatTheStatisticsSay) {
  ASSERT_TRUE(Append(3, 1, {"four", "more"}).ok());
  const v1::GetStatisticsResponse statistics = Statistics();
  const Json json = Look();
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["ready"], true);
  EXPECT_EQ(json["counters"]["append_records"], statistics.appended_record_count());
  EXPECT_EQ(json["counters"]["append_bytes"], 8);
  EXPECT_EQ(json["levels"]["mailbox"]["limit"], statistics.mailbox_limit_bytes());
  EXPECT_EQ(json["levels"]["readers"]["limit"], statistics.reader_limit_bytes());
  EXPECT_EQ(json["levels"]["entries"]["limit"], statistics.entry_memory_limit_bytes());
  EXPECT_EQ(json["levels"]["regions"]["used"], 1);
  EXPECT_EQ(json["levels"]["regions"]["limit"], options_.registry.max_open_regions);
  const Json& latency = json["append_latency"];
  EXPECT_EQ(latency["counts"].size(), latency["bounds_seconds"].size() + 1);
  EXPECT_EQ(json["namespaces"][0]["name"], "data");
  EXPECT_EQ(json["selected"], nullptr);
}

TEST_F(StatusJsonTest, IdsAreExactWhateverBrowsersMakeOfNumbers) {
  const uint64_t most = UINT64_MAX;
  ASSERT_TRUE(Append(most, most, {"x"}).ok());
  const Json json = Look(RegionKey{1, most});
  EXPECT_EQ(json["regions"][0]["region"], "18446744073709551615");
  EXPECT_EQ(json["selected"]["region"], "18446744073709551615");
  EXPECT_EQ(json["selected"]["tables"][0]["table"], "18446744073709551615");
  EXPECT_EQ(json["selected"]["tables"][0]["next"], "2");
}

TEST_F(StatusJsonTest, BrokenRegionsComeFirstWithTheirErrors) {
  ASSERT_TRUE(Append(3, 1, {"x"}).ok());
  Break(9, "<script>hole</script>");
  const Json json = Look();
  ASSERT_EQ(json["regions"].size(), 2u);
  EXPECT_EQ(json["regions"][0]["state"], "broken");
  EXPECT_EQ(json["regions"][0]["usage"], nullptr);
  const std::string error = json["regions"][0]["error"];
  EXPECT_NE(error.find("<script>hole</script>"), std::string::npos) << error;
  EXPECT_EQ(json["regions"][1]["state"], "open");
  EXPECT_EQ(json["regions"][1]["usage"]["live_records"], 1);
}

TEST_F(StatusJsonTest, OpensNoRegion) {
  // The start opens every region that it finds.
  const auto is_starting = [this] {
    const Json start = Look()["start"];
    return start["namespaces_to_open"] != 0 || start["regions_to_scan"] != 0;
  };
  while (is_starting()) absl::SleepFor(absl::Milliseconds(1));
  engine_->Region(5);
  const int openings = engine_->openings();
  const Json json = Look(RegionKey{1, 5});
  EXPECT_EQ(engine_->openings(), openings);
  EXPECT_EQ(json["regions"][0]["state"], "closed");
  EXPECT_EQ(json["selected"]["state"], "closed");
  EXPECT_EQ(Look(RegionKey{1, 6})["selected"]["state"], "unknown");
}

TEST_F(StatusJsonTest, TooManyRegionsAreLeftOutAndCounted) {
  for (RegionId region = 1; region <= kMaxStatusRegions + 3; ++region) engine_->Region(region);
  const Json json = Look();
  EXPECT_EQ(json["regions"].size(), kMaxStatusRegions);
  EXPECT_EQ(json["regions_left_out"], 3);
}

TEST_F(StatusJsonTest, ShowsWhatItsSourcesTell) {
  RecentEvents events;
  events.Add(5, LogSeverity::kError, "hole",
             {{"namespace", 1}, {"region", 7}, {"file", "seg_\xFF"}});
  StatusJson::Sources sources;
  sources.events = &events;
  sources.readiness = [] { return absl::UnavailableError("shutting down"); };
  sources.disk = [] {
    return StatusJson::Disk{.path = "/d", .free_bytes = 12, .total_bytes = 100, .reserve_bytes = 5};
  };
  const Json json = Look(std::nullopt, sources);
  EXPECT_EQ(json["ready"], false);
  EXPECT_EQ(json["not_ready_because"], "shutting down");
  EXPECT_EQ(json["disk"]["free_bytes"], 12);
  EXPECT_EQ(json["disk"]["total_bytes"], 100);
  EXPECT_EQ(json["disk"]["reserve_bytes"], 5);
  EXPECT_EQ(json["events"][0]["severity"], "error");
  EXPECT_EQ(json["events"][0]["region"], "7");
  EXPECT_EQ(json["events"][0]["text"], "file=\"seg_\xEF\xBF\xBD\"")
      << "bytes that are no text must not spoil the rest";
  sources.disk = [] { return StatusJson::Disk{.free_bytes = absl::UnknownError("no disk")}; };
  const Json failing = Look(std::nullopt, sources)["disk"];
  EXPECT_EQ(failing["free_bytes"], nullptr);
  EXPECT_EQ(failing["total_bytes"], nullptr);
  EXPECT_EQ(failing["error"], "UNKNOWN: no disk");
}

TEST_F(StatusJsonTest, AQueryNamesOneRegion) {
  EXPECT_EQ(*ParseStatusQuery(namespaces(), ""), std::nullopt);
  EXPECT_EQ(*ParseStatusQuery(namespaces(), "region=0"), (RegionKey{1, 0}));
  EXPECT_EQ(*ParseStatusQuery(namespaces(), "namespace=1&region=18446744073709551615"),
            (RegionKey{1, UINT64_MAX}));
}

TEST_F(StatusJsonTest, ABadQueryIsRefusedByName) {
  for (const char* query : {"region=", "region=-1", "region=x", "region=18446744073709551616",
                            "region=1&region=2", "namespace=1.5&region=1", "table=1", "region"}) {
    const absl::Status status = ParseStatusQuery(namespaces(), query).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << query << ": " << status;
    EXPECT_TRUE(HasReason(status, ErrorReason::kInvalidField)) << query;
  }
  for (const char* query :
       {"namespace=2&region=1", "namespace=256&region=1", "namespace=18446744073709551615"}) {
    EXPECT_TRUE(absl::IsNotFound(ParseStatusQuery(namespaces(), query).status())) << query;
  }
}

TEST(StatusPageTest, IsOneDocumentWithItsStyleAndScript) {
  const absl::string_view page = StatusPageHtml();
  EXPECT_EQ(page.substr(0, 15), "<!doctype html>");
  for (const char* part : {"prefers-color-scheme: dark", "async function poll", "</html>"}) {
    EXPECT_NE(page.find(part), absl::string_view::npos) << part;
  }
  for (const char* never : {"@STYLE@", "@SCRIPT@", "innerHTML", "http://127", "https://"}) {
    EXPECT_EQ(page.find(never), absl::string_view::npos) << never;
  }
}

}  // namespace
}  // namespace walden
