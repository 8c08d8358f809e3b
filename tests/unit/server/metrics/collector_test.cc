#include "server/metrics/collector.h"

#include <gmock/gmock.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "server/daemon/monitor.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"
#include "tests/unit/server/net/http_client.h"

namespace walden {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// The numbers of an exposition by name and labels, as they are written there.
std::map<std::string, double> Samples(absl::string_view text) {
  std::map<std::string, double> samples;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (absl::StartsWith(line, "#")) continue;
    const size_t space = line.rfind(' ');
    double value = 0;
    EXPECT_TRUE(absl::SimpleAtod(line.substr(space + 1), &value)) << line;
    EXPECT_TRUE(samples.emplace(line.substr(0, space), value).second) << "twice: " << line;
  }
  return samples;
}

class CollectorTest : public WaldenServerTest {
 protected:
  std::map<std::string, double> Collect(size_t max_regions = 200) {
    Collector collector({.version = "1.2.3", .max_regions = max_regions}, &readiness_);
    collector.Attach({.server = &server_->observation()});
    return Samples(prometheus::TextSerializer().Serialize(collector.Collect()));
  }

  Readiness readiness_;
};

TEST_F(CollectorTest, WithoutAServerThereIsTheProcessAndThatItIsNotReady) {
  const Collector collector({.version = "1.2.3"}, &readiness_);
  const auto samples = Samples(prometheus::TextSerializer().Serialize(collector.Collect()));
  EXPECT_EQ(samples.at("walden_ready"), 0);
  EXPECT_GT(samples.at("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(samples.at("process_open_fds"), 2);
  EXPECT_GT(samples.at("process_threads"), 0);
  EXPECT_GT(samples.at("process_start_time_seconds"), 1.5e9);
  EXPECT_EQ(samples.count("walden_append_records_total"), 0u);
}

TEST_F(CollectorTest, AppendsAreCountedAndTimed) {
  ASSERT_TRUE(Append(1, 1, {"a", "bcd"}).ok());
  ASSERT_TRUE(Append(1, 2, {"e"}).ok());
  const auto samples = Collect();
  EXPECT_EQ(samples.at("walden_append_batches_total"), 2);
  EXPECT_EQ(samples.at("walden_append_records_total"), 3);
  EXPECT_EQ(samples.at("walden_append_payload_bytes_total"), 5);
  EXPECT_EQ(samples.at("walden_commits_total"), 2);
  EXPECT_EQ(samples.at("walden_commit_batches_count"), 2);
  EXPECT_EQ(samples.at("walden_commit_batches_sum"), 2);
  EXPECT_EQ(samples.at("walden_commit_batches_bucket{le=\"1\"}"), 2);
  EXPECT_EQ(samples.at("walden_commit_bytes_sum"), 5);
  EXPECT_EQ(samples.at("walden_commit_duration_seconds_count"), 2);
  EXPECT_EQ(samples.at("walden_rpc_requests_total{service=\"WalService\",method=\"Append\","
                       "code=\"OK\"}"),
            2);
  EXPECT_EQ(samples.at("walden_rpc_duration_seconds_bucket{service=\"WalService\","
                       "method=\"Append\",le=\"+Inf\"}"),
            2);
}

TEST_F(CollectorTest, NothingThatWasAnsweredCountsAsWaiting) {
  ASSERT_TRUE(Append(1, 1, {"a"}).ok());
  const auto samples = Collect();
  EXPECT_EQ(samples.at("walden_mailbox_jobs"), 0);
  EXPECT_EQ(samples.at("walden_mailbox_bytes"), 0);
}

TEST_F(CollectorTest, AnAppendThatIsHeldUpCountsAsWaiting) {
  Gate gate;
  engine_->Region(1)->SetInCommit([&gate] { gate.Pass(); });
  std::thread appender([this] { EXPECT_TRUE(Append(1, 1, {"a"}).ok()); });
  gate.AwaitArrival();
  const auto samples = Collect();
  EXPECT_EQ(samples.at("walden_mailbox_jobs"), 1);
  EXPECT_GT(samples.at("walden_mailbox_bytes"), 0);
  EXPECT_EQ(samples.at("walden_open_calls{service=\"WalService\",method=\"Append\"}"), 1);
  gate.Open();
  appender.join();
}

TEST_F(CollectorTest, RefusalsAreCountedByReasonAndEveryReasonIsThereBefore) {
  EXPECT_EQ(Collect().at("walden_refused_requests_total{reason=\"INVALID_FIELD\"}"), 0);
  EXPECT_FALSE(Append(1, 1, {}).ok());
  const auto samples = Collect();
  EXPECT_EQ(samples.at("walden_refused_requests_total{reason=\"INVALID_FIELD\"}"), 1);
  EXPECT_EQ(samples.at("walden_refused_requests_total{reason=\"FENCED\"}"), 0);
  EXPECT_EQ(samples.at("walden_rpc_requests_total{service=\"WalService\",method=\"Append\","
                       "code=\"INVALID_ARGUMENT\"}"),
            1);
}

TEST_F(CollectorTest, RegionsAreNamedByNamespaceAndId) {
  ASSERT_TRUE(Append(7, 1, {"abc", "de"}).ok());
  const auto samples = Collect();
  const std::string labels = "{namespace=\"data\",region=\"7\"}";
  EXPECT_EQ(samples.at("walden_region_live_bytes" + labels), 5);
  EXPECT_EQ(samples.at("walden_region_live_records" + labels), 2);
  EXPECT_EQ(samples.at("walden_region_tables" + labels), 1);
  EXPECT_EQ(samples.at("walden_region_oldest_record_sequence" + labels), 1);
  EXPECT_EQ(samples.at("walden_regions{namespace=\"data\",state=\"open\"}"), 1);
  EXPECT_EQ(samples.at("walden_regions{namespace=\"data\",state=\"broken\"}"), 0);
}

TEST_F(CollectorTest, BeyondTheirNumberTheLargestRegionsAreNamedAndTheOthersSummedUp) {
  for (uint64_t region = 1; region <= 10; ++region) {
    ASSERT_TRUE(Append(region, 1, {std::string(region, 'x')}).ok());
  }
  const auto samples = Collect(/*max_regions=*/3);
  const auto live = [&samples](absl::string_view region) {
    const auto found = samples.find(
        absl::StrCat("walden_region_live_bytes{namespace=\"data\",region=\"", region, "\"}"));
    return found == samples.end() ? -1 : found->second;
  };
  EXPECT_EQ(live("10"), 10);
  EXPECT_EQ(live("9"), 9);
  EXPECT_EQ(live("8"), 8);
  EXPECT_EQ(live("7"), -1);
  EXPECT_EQ(live("other"), 1 + 2 + 3 + 4 + 5 + 6 + 7);
  EXPECT_EQ(samples.at("walden_region_tables{namespace=\"data\",region=\"other\"}"), 7);
  EXPECT_EQ(samples.count("walden_region_oldest_record_sequence{namespace=\"data\","
                          "region=\"other\"}"),
            0u);
}

TEST_F(CollectorTest, AFailedRegionIsNamed) {
  ASSERT_TRUE(Append(7, 1, {"a"}).ok());
  engine_->Region(7)->SetFate(MemoryRegion::Fate::kFail);
  EXPECT_FALSE(Append(7, 1, {"b"}).ok());
  const auto samples = Collect();
  EXPECT_EQ(samples.at("walden_region_fault{namespace=\"data\",region=\"7\",state=\"failed\"}"), 1);
  EXPECT_EQ(samples.at("walden_regions{namespace=\"data\",state=\"failed\"}"), 1);
  EXPECT_EQ(samples.at("walden_region_failures_total"), 1);
}

TEST_F(CollectorTest, AfterTheServersStopItsCountersStayAndItsRegionsAreGone) {
  ASSERT_TRUE(Append(7, 1, {"a"}).ok());
  ASSERT_TRUE(server_->Stop(absl::Seconds(1)).ok());
  const auto samples = Collect();
  EXPECT_EQ(samples.at("walden_append_records_total"), 1);
  EXPECT_EQ(samples.count("walden_regions{namespace=\"data\",state=\"open\"}"), 0u);
}

TEST_F(CollectorTest, TheMonitorServesMetricsHealthAndReadiness) {
  MonitorOptions options;
  options.http.listen = {"127.0.0.1:0"};
  auto monitor = std::make_unique<Monitor>(options);
  ASSERT_TRUE(monitor->Listen().ok());
  const std::string at = monitor->addresses()[0];
  EXPECT_THAT(HttpGet(at, "/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(HttpGet(at, "/readyz"),
              AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("\r\nopening namespaces\n")));
  EXPECT_THAT(HttpGet(at, "/metrics"), HasSubstr("\nwalden_ready 0\n"));
  monitor->Attach({.server = &server_->observation()});
  monitor->readiness().Set(Readiness::State::kServing);
  EXPECT_THAT(HttpGet(at, "/readyz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(HttpGet(at, "/metrics"),
              AllOf(HasSubstr("\nwalden_ready 1\n"), HasSubstr("\nwalden_open_readers 0\n"),
                    HasSubstr("Content-Type: text/plain; version=0.0.4")));
  monitor->readiness().Set(Readiness::State::kShuttingDown);
  EXPECT_THAT(HttpGet(at, "/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(HttpGet(at, "/readyz"),
              AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("\r\nshutting down\n")));
}

TEST(Monitor, WithoutAnAddressNothingIsServed) {
  const auto monitor = std::make_unique<Monitor>(MonitorOptions{});
  ASSERT_TRUE(monitor->Listen().ok());
  EXPECT_TRUE(monitor->addresses().empty());
}

TEST(Histogram, ABoundCountsWhatIsAtMostItself) {
  Histogram histogram({10, 20});
  for (const uint64_t value : {0, 10, 11, 20, 21}) histogram.Observe(value);
  const Histogram::Snapshot snapshot = histogram.Read();
  EXPECT_THAT(snapshot.counts, ::testing::ElementsAre(2, 2, 1));
  EXPECT_EQ(snapshot.sum, 62u);
}

}  // namespace
}  // namespace walden
