// Rounds of measuring, and the figures that come of them.
#pragma once

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tests/bench/measurement.h"
#include "tests/bench/options.h"
#include "tests/bench/report.pb.h"

namespace walden::bench {

struct RoundPair {
  Measurement walden;
  Measurement ceiling;
};

using MeasureFunction = absl::FunctionRef<absl::StatusOr<Measurement>()>;

// Measures both in every round, one right after the other, each first in every other round: what
// the machine does besides comes and goes, and hits both.
absl::StatusOr<std::vector<RoundPair>> MeasureRounds(const Options& options, MeasureFunction walden,
                                                     MeasureFunction ceiling);

struct FigureText {
  std::string title;
  std::string unit;
  std::string ceiling;     // empty: none
  std::string latency_of;  // empty: latencies are not shown
};

Aim ShareAtLeast(double value);
Aim ShareAtMost(double value);
Aim ValueAtLeast(double value);
Aim ValueAtMost(double value);

Figure MakeFigure(const FigureText& text, const std::vector<RoundPair>& rounds, const Aim& aim);

void AddDetail(Figure& figure, absl::string_view title, double value, absl::string_view unit);

double Median(std::vector<double> values);

}  // namespace walden::bench
