// The documentation of every metric, written from the table of metrics.
#pragma once

#include <string>

namespace walden {

// The tables in docs/operators/metrics.md.
std::string MetricsReference();

}  // namespace walden
