// The table of metrics keeps Prometheus' conventions, and the page says what the table says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "server/metrics/metric_table.h"
#include "server/metrics/metrics_reference.h"

namespace walden {
namespace {

using ::testing::HasSubstr;

std::vector<MetricInfo> Table() {
  std::vector<MetricInfo> all;
  for (size_t i = 0; i < kMetrics; ++i) all.push_back(InfoOf(static_cast<Metric>(i)));
  return all;
}

TEST(MetricTable, NamesAreUniqueAndPrefixed) {
  std::set<std::string> names;
  for (const MetricInfo& metric : Table()) {
    EXPECT_TRUE(names.insert(std::string(metric.name)).second) << metric.name;
    EXPECT_TRUE(absl::StartsWith(metric.name, "walden_") ||
                absl::StartsWith(metric.name, "process_"))
        << metric.name;
  }
}

TEST(MetricTable, CountersAndOnlyCountersEndInTotal) {
  for (const MetricInfo& metric : Table()) {
    EXPECT_EQ(absl::EndsWith(metric.name, "_total"), metric.kind == MetricKind::kCounter)
        << metric.name;
  }
}

TEST(MetricTable, HelpIsWholeSentencesOnOneLine) {
  for (const MetricInfo& metric : Table()) {
    EXPECT_TRUE(absl::EndsWith(metric.help, ".")) << metric.name;
    EXPECT_FALSE(absl::StrContains(metric.help, "\n")) << metric.name;
    EXPECT_FALSE(absl::StrContains(metric.help, "|")) << metric.name << ": breaks the page's table";
  }
}

TEST(MetricTable, EveryMetricIsInOneGroup) {
  size_t next = 0;
  for (const MetricGroup& group : MetricGroups()) {
    for (const MetricInfo& metric : group.metrics) {
      EXPECT_EQ(static_cast<size_t>(metric.metric), next++) << metric.name;
    }
  }
  EXPECT_EQ(next, kMetrics);
}

TEST(MetricsPage, HoldsTheTables) {
  std::ifstream file(WALDEN_SOURCE_DIR "/docs/operators/metrics.md");
  ASSERT_TRUE(file.is_open());
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(page, HasSubstr(MetricsReference()))
      << "paste the output of walden_metrics_reference under \"Every metric\"";
}

}  // namespace
}  // namespace walden
