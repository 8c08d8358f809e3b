#include "cli/console/progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/console/units.h"

namespace walden::cli {
namespace {

constexpr absl::Duration kRedrawInterval = absl::Milliseconds(200);
constexpr size_t kBarWidth = 24;
constexpr absl::string_view kWipeLine = "\r\033[K";

}  // namespace

std::string ProgressLine(const std::string& label, const ProgressNumbers& numbers,
                         absl::Duration elapsed) {
  const double seconds = std::max(absl::ToDoubleSeconds(elapsed), 1e-3);
  const double bytes_per_second = static_cast<double>(numbers.bytes) / seconds;
  std::string line = label;
  if (numbers.total_bytes > 0) {
    const double share = std::min(
        1.0, static_cast<double>(numbers.bytes) / static_cast<double>(numbers.total_bytes));
    const auto filled = static_cast<size_t>(share * kBarWidth);
    absl::StrAppend(&line, "  [", std::string(filled, '#'), std::string(kBarWidth - filled, '.'),
                    "]  ", static_cast<int>(share * 100), "%");
  }
  if (numbers.records > 0) absl::StrAppend(&line, "  ", FormatCount(numbers.records), " records");
  absl::StrAppend(&line, "  ", FormatBytes(numbers.bytes));
  if (numbers.records > 0) {
    absl::StrAppend(&line, "  ", FormatRate(static_cast<double>(numbers.records) / seconds),
                    " records/s");
  }
  absl::StrAppend(&line, "  ", FormatBytes(static_cast<uint64_t>(bytes_per_second)), "/s");
  if (numbers.total_bytes > numbers.bytes && bytes_per_second > 0) {
    const double left = static_cast<double>(numbers.total_bytes - numbers.bytes) / bytes_per_second;
    absl::StrAppendFormat(&line, "  %.0fs left", left);
  }
  return line;
}

Progress::Progress(Output& output, std::string label)
    : output_(output),
      label_(std::move(label)),
      start_(absl::Now()),
      next_draw_(start_ + kRedrawInterval) {}

Progress::~Progress() { Clear(); }

void Progress::Update(const ProgressNumbers& numbers) {
  if (!output_.is_terminal()) return;
  const absl::Time now = absl::Now();
  if (now < next_draw_) return;
  next_draw_ = now + kRedrawInterval;
  drawn_ = true;
  (void)output_.Write(absl::StrCat(kWipeLine, ProgressLine(label_, numbers, now - start_)));
  (void)output_.Flush();
}

void Progress::Clear() {
  if (!drawn_) return;
  drawn_ = false;
  (void)output_.Write(kWipeLine);
  (void)output_.Flush();
}

}  // namespace walden::cli
