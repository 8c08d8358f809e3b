// Collects samples for Prometheus, by metric.
#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/histogram.h"
#include "server/metrics/metric_table.h"

namespace walden {

constexpr double kNanosPerSecond = 1e9;

// The value of a sample that is counted elsewhere.
template <typename T>
double Value(const std::atomic<T>& number) {
  return static_cast<double>(number.load(std::memory_order_relaxed));
}

using MetricLabels = std::initializer_list<std::pair<absl::string_view, absl::string_view>>;

// One thread at a time.
class MetricFamilies {
 public:
  MetricFamilies();

  // A counter or gauge. The labels are those that the table names, in its order.
  void Add(Metric metric, MetricLabels labels, double value);
  void Add(Metric metric, double value) { Add(metric, {}, value); }

  // Values are divided by `per_unit`: kNanosPerSecond makes seconds of nanoseconds.
  void Add(Metric metric, MetricLabels labels, const Histogram::Snapshot& histogram,
           double per_unit);

  // Those that have samples, in the order of the table.
  std::vector<prometheus::MetricFamily> Take() &&;

 private:
  prometheus::ClientMetric& Sample(Metric metric, MetricLabels labels);

  std::array<prometheus::MetricFamily, kMetrics> families_;
};

}  // namespace walden
