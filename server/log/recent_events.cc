#include "server/log/recent_events.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace walden {
namespace {

// Does not cut a character of UTF-8 in two.
std::string Shortened(absl::string_view text) {
  constexpr absl::string_view kMore = "...";
  if (text.size() <= RecentEvents::kTextBytes) return std::string(text);
  size_t length = RecentEvents::kTextBytes - kMore.size();
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return absl::StrCat(text.substr(0, length), kMore);
}

std::optional<uint64_t> Number(const LogField& field) {
  const auto* const number = std::get_if<uint64_t>(&field.value);
  return number == nullptr ? std::nullopt : std::optional<uint64_t>(*number);
}

}  // namespace

RecentEvents* RecentEvents::OfProcess() {
  static RecentEvents* const events = new RecentEvents();
  return events;
}

void RecentEvents::Add(int64_t unix_millis, LogSeverity severity, absl::string_view event,
                       LogFields fields) {
  RecentEvent added{.unix_millis = unix_millis, .severity = severity, .event = Shortened(event)};
  std::string text;
  for (const LogField& field : fields) {
    if (field.key == "namespace") {
      added.namespace_id = Number(field);
    } else if (field.key == "region") {
      added.region = Number(field);
    } else if (const std::string shown = FormatLogField(field); !shown.empty()) {
      absl::StrAppend(&text, text.empty() ? "" : " ", shown);
    }
  }
  added.text = Shortened(text);

  absl::MutexLock lock(&mutex_);
  const auto same = std::find_if(events_.begin(), events_.end(), [&](const RecentEvent& known) {
    return known.severity == added.severity && known.event == added.event &&
           known.namespace_id == added.namespace_id && known.region == added.region;
  });
  if (same != events_.end()) {
    added.count = same->count + 1;
    events_.erase(same);
  } else if (events_.size() == kEvents) {
    events_.pop_back();
  }
  events_.push_front(std::move(added));
}

std::vector<RecentEvent> RecentEvents::Latest() const {
  absl::MutexLock lock(&mutex_);
  return {events_.begin(), events_.end()};
}

}  // namespace walden
