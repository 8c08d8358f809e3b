// Prints the documentation of the metrics: `walden_metrics_reference`.
#include <cstdio>
#include <string>

#include "server/metrics/metrics_reference.h"

int main() {
  const std::string text = walden::MetricsReference();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
