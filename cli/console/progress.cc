#include "cli/console/progress.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/console/terminal_width.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"

namespace walden::cli {
namespace {

constexpr absl::Duration kRedrawInterval = absl::Milliseconds(200);
constexpr size_t kBarWidth = 24;
constexpr absl::string_view kWipeLine = "\r\033[K";

}  // namespace

std::string ProgressLine(const std::string& label, const ProgressNumbers& numbers,
                         absl::Duration elapsed, size_t columns) {
  // As they stand in the line; the part with the highest rank goes first when there is no room.
  struct Part {
    std::string text;
    int rank;
  };
  std::vector<Part> parts = {{label, 1}};
  const double seconds = std::max(absl::ToDoubleSeconds(elapsed), 1e-3);
  const double bytes_per_second = static_cast<double>(numbers.bytes) / seconds;
  if (numbers.total_bytes > 0) {
    const double share = std::min(
        1.0, static_cast<double>(numbers.bytes) / static_cast<double>(numbers.total_bytes));
    const auto filled = static_cast<size_t>(share * kBarWidth);
    parts.push_back(
        {absl::StrCat("[", std::string(filled, '#'), std::string(kBarWidth - filled, '.'), "]"),
         5});
    parts.push_back({absl::StrCat(static_cast<int>(share * 100), "%"), 0});
  }
  if (numbers.records > 0) parts.push_back({Counted(numbers.records, "record"), 6});
  parts.push_back({FormatBytes(numbers.bytes), 2});
  if (numbers.records > 0) {
    parts.push_back(
        {absl::StrCat(FormatRate(static_cast<double>(numbers.records) / seconds), " records/s"),
         7});
  }
  parts.push_back({absl::StrCat(FormatBytes(static_cast<uint64_t>(bytes_per_second)), "/s"), 3});
  if (numbers.total_bytes > numbers.bytes && bytes_per_second > 0) {
    const double left = static_cast<double>(numbers.total_bytes - numbers.bytes) / bytes_per_second;
    parts.push_back({absl::StrFormat("%.0fs left", left), 4});
  }
  const auto line = [&parts] {
    return absl::StrJoin(parts, "  ",
                         [](std::string* out, const Part& part) { *out += part.text; });
  };
  while (line().size() > columns && parts.size() > 1) {
    parts.erase(std::max_element(parts.begin(), parts.end(),
                                 [](const Part& a, const Part& b) { return a.rank < b.rank; }));
  }
  return line().substr(0, columns);
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
  // The last column stays free: some terminals scroll once it is written.
  (void)output_.Write(absl::StrCat(
      kWipeLine, ProgressLine(label_, numbers, now - start_, TerminalColumns(STDERR_FILENO) - 1)));
  (void)output_.Flush();
}

void Progress::Clear() {
  if (!drawn_) return;
  drawn_ = false;
  (void)output_.Write(kWipeLine);
  (void)output_.Flush();
}

}  // namespace walden::cli
