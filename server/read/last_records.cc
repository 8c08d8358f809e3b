#include "server/read/last_records.h"

#include "engine/wait.h"

#include <algorithm>
#include <utility>

namespace walden {
namespace {

// One step, which keeps a thread of the readers about as long as a chunk does.
constexpr size_t kStepRecords = 4096;
constexpr size_t kStepBytes = size_t{256} << 10;

// Numbers that a search remembers at once.
constexpr size_t kMaxMarks = 4096;

}  // namespace

LastRecordsSearch::LastRecordsSearch(std::shared_ptr<const ReadableLog> log, TableId table,
                                     const TablePosition& position, uint64_t count)
    : log_(std::move(log)),
      position_(position),
      wanted_(count),
      window_(count),
      range_{.table = table, .skip_deleted = true} {
  // Looks back over so many numbers, and over twice as many while they hold too few records.
  SearchIn(position_.next - std::min(count, position_.next), position_.next - 1);
}

void LastRecordsSearch::SearchIn(SequenceNumber first, SequenceNumber last) {
  range_.first = first;
  range_.last = last;
  reader_ = nullptr;
  seen_ = index_ = 0;
  stride_ = 1;
  marks_.clear();
}

absl::StatusOr<std::optional<SequenceNumber>> LastRecordsSearch::Step() {
  if (wanted_ >= position_.next - position_.first) return position_.first;
  if (reader_ == nullptr) {
    auto reader = log_->NewReader(range_);
    if (!reader.ok()) return reader.status();
    reader_ = *std::move(reader);
  }
  const auto progress =
      NextAndWait(*reader_, {.max_records = kStepRecords, .max_payload_bytes = kStepBytes},
                  [this](const RecordView& record) { Visit(record.sequence); });
  if (!progress.ok()) return progress.status();
  if (*progress != ReadProgress::kAtEnd && *progress != ReadProgress::kFinished) {
    return std::nullopt;
  }
  return AfterRange();
}

void LastRecordsSearch::Visit(SequenceNumber number) {
  if (seen_ == index_ + marks_.size() * stride_) marks_.push_back(number);
  ++seen_;
  while (marks_.size() > 1 && index_ + stride_ + wanted_ <= seen_) {
    marks_.pop_front();
    index_ += stride_;
  }
  if (marks_.size() > kMaxMarks) Widen();
}

// Forgets every other mark.
void LastRecordsSearch::Widen() {
  for (size_t i = 1; 2 * i < marks_.size(); ++i) marks_[i] = marks_[2 * i];
  marks_.resize((marks_.size() + 1) / 2);
  stride_ *= 2;
}

// The range was read to its end.
std::optional<SequenceNumber> LastRecordsSearch::AfterRange() {
  if (seen_ < wanted_) {
    // Records between two marks are missing only where they were marked deleted meanwhile.
    if (window_ == 0) return range_.first;
    const uint64_t numbers = position_.next - position_.first;
    if (window_ == numbers) return position_.first;
    window_ = std::min(2 * window_, numbers);
    SearchIn(position_.next - window_, range_.last);
    return std::nullopt;
  }
  if (index_ + wanted_ == seen_) return marks_.front();
  // It lies between the first two marks: the last of the records there are counted back to it.
  const bool is_last = marks_.size() == 1;
  if (!is_last) wanted_ -= seen_ - (index_ + stride_);
  window_ = 0;
  SearchIn(marks_.front(), is_last ? range_.last : marks_[1] - 1);
  return std::nullopt;
}

}  // namespace walden
