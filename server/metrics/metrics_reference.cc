#include "server/metrics/metrics_reference.h"

#include "absl/strings/str_cat.h"
#include "server/metrics/metric_table.h"

namespace walden {
namespace {

absl::string_view KindName(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kGauge:
      return "gauge";
    case MetricKind::kHistogram:
      return "histogram";
  }
  return "";
}

}  // namespace

std::string MetricsReference() {
  std::string out;
  for (const MetricGroup& group : MetricGroups()) {
    absl::StrAppend(&out, out.empty() ? "" : "\n", "### ", group.title,
                    "\n\n| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n");
    for (const MetricInfo& metric : group.metrics) {
      absl::StrAppend(&out, "| `", metric.name, "` | ", KindName(metric.kind), " | ", metric.labels,
                      " | ", metric.help, " |\n");
    }
  }
  return out;
}

}  // namespace walden
