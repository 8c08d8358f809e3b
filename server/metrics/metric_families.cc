#include "server/metrics/metric_families.h"

namespace walden {
namespace {

prometheus::MetricType TypeOf(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return prometheus::MetricType::Counter;
    case MetricKind::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricKind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

MetricFamilies::MetricFamilies() {
  for (size_t i = 0; i < kMetrics; ++i) {
    const MetricInfo& info = InfoOf(static_cast<Metric>(i));
    families_[i].name = std::string(info.name);
    families_[i].help = std::string(info.help);
    families_[i].type = TypeOf(info.kind);
  }
}

prometheus::ClientMetric& MetricFamilies::Sample(Metric metric, MetricLabels labels) {
  prometheus::ClientMetric& sample = families_[static_cast<size_t>(metric)].metric.emplace_back();
  for (const auto& [name, value] : labels) {
    sample.label.push_back({std::string(name), std::string(value)});
  }
  return sample;
}

void MetricFamilies::Add(Metric metric, MetricLabels labels, double value) {
  prometheus::ClientMetric& sample = Sample(metric, labels);
  if (InfoOf(metric).kind == MetricKind::kCounter) {
    sample.counter.value = value;
  } else {
    sample.gauge.value = value;
  }
}

void MetricFamilies::Add(Metric metric, MetricLabels labels, const Histogram::Snapshot& histogram,
                         double per_unit) {
  prometheus::ClientMetric::Histogram& out = Sample(metric, labels).histogram;
  uint64_t total = 0;
  for (size_t i = 0; i < histogram.bounds.size(); ++i) {
    total += histogram.counts[i];
    out.bucket.push_back({total, static_cast<double>(histogram.bounds[i]) / per_unit});
  }
  out.sample_count = total + histogram.counts.back();
  out.sample_sum = static_cast<double>(histogram.sum) / per_unit;
}

std::vector<prometheus::MetricFamily> MetricFamilies::Take() && {
  std::vector<prometheus::MetricFamily> result;
  for (prometheus::MetricFamily& family : families_) {
    if (!family.metric.empty()) result.push_back(std::move(family));
  }
  return result;
}

}  // namespace walden
