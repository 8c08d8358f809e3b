#include "tests/bench/figures.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace walden::bench {
namespace {

Aim MakeAim(Aim::Kind kind, double value) {
  Aim aim;
  aim.set_kind(kind);
  aim.set_value(value);
  return aim;
}

bool MeetsAim(const Figure& figure) {
  const double aim = figure.aim().value();
  switch (figure.aim().kind()) {
    case Aim::SHARE_AT_LEAST:
      return figure.share().median() >= aim;
    case Aim::SHARE_AT_MOST:
      return figure.share().median() <= aim;
    case Aim::VALUE_AT_LEAST:
      return figure.walden_median() >= aim;
    case Aim::VALUE_AT_MOST:
      return figure.walden_median() <= aim;
    default:
      return true;
  }
}

void FillLatency(const std::string& of, const cli::LatencyHistogram& histogram, Latency* latency) {
  latency->set_of(of);
  latency->set_count(histogram.count());
  const auto percentile = [&](double percent) {
    return absl::ToDoubleMicroseconds(histogram.Percentile(percent));
  };
  latency->set_mean_micros(absl::ToDoubleMicroseconds(histogram.Mean()));
  latency->set_p50_micros(percentile(50));
  latency->set_p90_micros(percentile(90));
  latency->set_p99_micros(percentile(99));
  latency->set_p999_micros(percentile(99.9));
  latency->set_maximum_micros(absl::ToDoubleMicroseconds(histogram.Max()));
}

// What was deleted just now is freed, and what was written is on the disk, before the next
// measurement rather than during it.
absl::Status LetDiskSettle(const std::string& directory) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", directory));
  const bool synced = syncfs(descriptor) == 0;
  const int error = errno;
  close(descriptor);
  return synced ? absl::OkStatus() : absl::ErrnoToStatus(error, "syncfs");
}

}  // namespace

absl::StatusOr<std::vector<RoundPair>> MeasureRounds(const Options& options, MeasureFunction walden,
                                                     MeasureFunction ceiling) {
  std::vector<RoundPair> rounds;
  for (int round = 0; round < options.rounds; ++round) {
    RoundPair pair;
    for (const bool is_walden : {round % 2 == 1, round % 2 == 0}) {
      if (absl::Status status = LetDiskSettle(options.directory); !status.ok()) return status;
      absl::StatusOr<Measurement> measured = is_walden ? walden() : ceiling();
      if (!measured.ok()) return measured.status();
      (is_walden ? pair.walden : pair.ceiling) = *std::move(measured);
    }
    rounds.push_back(std::move(pair));
  }
  return rounds;
}

Aim ShareAtLeast(double value) { return MakeAim(Aim::SHARE_AT_LEAST, value); }
Aim ShareAtMost(double value) { return MakeAim(Aim::SHARE_AT_MOST, value); }
Aim ValueAtLeast(double value) { return MakeAim(Aim::VALUE_AT_LEAST, value); }
Aim ValueAtMost(double value) { return MakeAim(Aim::VALUE_AT_MOST, value); }

Figure MakeFigure(const FigureText& text, const std::vector<RoundPair>& rounds, const Aim& aim) {
  Figure figure;
  figure.set_title(text.title);
  figure.set_unit(text.unit);
  figure.set_ceiling(text.ceiling);
  *figure.mutable_aim() = aim;
  std::vector<double> walden;
  std::vector<double> ceiling;
  std::vector<double> share;
  cli::LatencyHistogram walden_latency;
  cli::LatencyHistogram ceiling_latency;
  for (const RoundPair& pair : rounds) {
    Round* round = figure.add_rounds();
    round->set_walden(pair.walden.value);
    round->set_ceiling(pair.ceiling.value);
    walden.push_back(pair.walden.value);
    ceiling.push_back(pair.ceiling.value);
    share.push_back(pair.ceiling.value > 0 ? pair.walden.value / pair.ceiling.value : 0);
    walden_latency.Merge(pair.walden.latency);
    ceiling_latency.Merge(pair.ceiling.latency);
  }
  figure.set_walden_median(Median(walden));
  if (!text.ceiling.empty()) {
    figure.set_ceiling_median(Median(ceiling));
    figure.mutable_share()->set_median(Median(share));
    figure.mutable_share()->set_minimum(*std::min_element(share.begin(), share.end()));
    figure.mutable_share()->set_maximum(*std::max_element(share.begin(), share.end()));
  }
  if (!text.latency_of.empty()) {
    FillLatency(text.latency_of, walden_latency, figure.mutable_walden_latency());
    if (ceiling_latency.count() > 0) {
      FillLatency(text.latency_of, ceiling_latency, figure.mutable_ceiling_latency());
    }
  }
  figure.set_meets_aim(MeetsAim(figure));
  return figure;
}

void AddDetail(Figure& figure, absl::string_view title, double value, absl::string_view unit) {
  Detail* detail = figure.add_details();
  detail->set_title(std::string(title));
  detail->set_value(value);
  detail->set_unit(std::string(unit));
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace walden::bench
