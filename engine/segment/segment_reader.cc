#include "engine/segment/segment_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/log_errors.h"
#include "engine/segment/format.h"
#include "engine/segment/group_head.h"

namespace walden::segment {
namespace {

constexpr uint64_t kReadStepBytes = 64 << 10;

// A larger buffer, made for a large record, is not kept between calls.
constexpr uint64_t kKeptBufferBytes = 1 << 20;

// Pages that were read are released in steps of this size.
constexpr uint64_t kReleaseBytes = 4 << 20;

SequenceNumber Raised(SequenceNumber sequence, uint64_t offset) {
  return sequence > kMaxSequenceNumber - offset ? kMaxSequenceNumber : sequence + offset;
}

// Converts a range to the log's own numbers. Tables with different offsets have no common bounds:
// then every record is compared instead.
ReadRange InLogNumbers(ReadRange range, uint64_t offset, bool common_bounds) {
  range.first = common_bounds && range.first > 0 ? Raised(range.first, offset) : 1;
  range.last = common_bounds ? Raised(range.last, offset) : kMaxSequenceNumber;
  return range;
}

}  // namespace

absl::Status DamageError(const DamagedRange& damage) {
  return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                   absl::StrCat("stored bytes are damaged: ", damage.file, " at byte ",
                                damage.offset, ", ", damage.length, " bytes (", damage.reason,
                                "); ", LostRecords(damage.first, damage.last),
                                " may be lost. Read from after the range, or mark it deleted"),
                   {{"file", damage.file},
                    {"offset", absl::StrCat(damage.offset)},
                    {"length", absl::StrCat(damage.length)},
                    {"first_sequence", absl::StrCat(damage.first)},
                    {"last_sequence", absl::StrCat(damage.last)}});
}

SegmentReader::SegmentReader(std::shared_ptr<const PublishedLog> log, const ReadRange& range)
    : log_(std::move(log)),
      offsets_(range.table ? absl::flat_hash_map<TableId, uint64_t>() : log_->Offsets()),
      offset_of_table_(range.table ? log_->Offset(*range.table) : 0),
      range_(InLogNumbers(range, offset_of_table_, offsets_.empty())),
      wanted_(range),
      next_(range_.first) {
  if (!range_.table) {
    marks_ = log_->Marks();
    ends_ = log_->Ends();  // after the marks: a segment that went in between held nothing live
  } else if (range.first == 0) {
    next_ = log_->Mark(*range_.table) + 1;
  }
}

void SegmentReader::EndHere() {
  if (range_.table) {
    range_.last = std::min(range_.last, log_->LastKnown(*range_.table));
  } else if (const auto ends = log_->Ends(); !ends.empty()) {
    until_ = ends.back();
  }
}

uint64_t SegmentReader::OffsetOf(TableId table) const {
  if (range_.table || offsets_.empty()) return offset_of_table_;
  const auto it = offsets_.find(table);
  return it == offsets_.end() ? 0 : it->second;
}

absl::Status SegmentReader::ShownDamageError(DamagedRange damage) const {
  damage.first -= std::min(damage.first, offset_of_table_);
  damage.last -= std::min(damage.last, offset_of_table_);
  return DamageError(damage);
}

ReadPlan SegmentReader::Plan() {
  ReadPlan plan = range_.table
                      ? log_->PlanTable(*range_.table, next_, range_.pass_known_damage)
                      : log_->PlanAll(segment_, offset_, std::max(next_, acknowledged_through_ + 1),
                                      range_.pass_known_damage);
  plan.first = std::max(plan.first, range_.first);
  plan.last = std::min(plan.last, range_.last);
  if (!range_.table) CutAtEnd(plan);
  return plan;
}

void SegmentReader::CutAtEnd(ReadPlan& plan) const {
  if (!until_ || plan.kind == ReadPlan::Kind::kAtEnd) return;
  Extent* const extent = plan.extents.empty() ? nullptr : &plan.extents.back();
  const bool beyond =
      plan.segment > until_->segment ||
      (plan.segment == until_->segment && extent != nullptr && extent->begin >= until_->offset);
  if (beyond) {
    plan.kind = ReadPlan::Kind::kAtEnd;
  } else if (plan.segment == until_->segment && extent != nullptr) {
    extent->end = static_cast<uint32_t>(std::min<uint64_t>(extent->end, until_->offset));
  }
}

bool SegmentReader::Acknowledged(SequenceNumber damaged_through) {
  acknowledged_through_ = log_->LowestMark();
  return damaged_through <= acknowledged_through_;
}

void SegmentReader::LookForLostSegments(const ReadPlan& plan) {
  const bool at_end = plan.kind == ReadPlan::Kind::kAtEnd;
  auto left = ends_.begin();
  for (; left != ends_.end() && (at_end || left->segment < plan.segment); ++left) {
    const bool read =
        left->segment < segment_ || (left->segment == segment_ && offset_ >= left->offset);
    lost_segment_ |= !read && !log_->Lists(left->segment);
  }
  ends_.erase(ends_.begin(), left);
}

absl::Status SegmentReader::MissingFile(const ReadPlan& plan) const {
  return ShownDamageError({.file = plan.file->shown_path(),
                           .length = plan.file->size(),
                           .first = std::max(next_, plan.first),
                           .last = std::max({next_, plan.first, plan.segment_last}),
                           .reason = "the file is missing"});
}

absl::StatusOr<ReadProgress> SegmentReader::Next(const ReadLimits& limits,
                                                 absl::FunctionRef<void(const RecordView&)> visit) {
  const absl::StatusOr<ReadProgress> progress = Walk(limits, visit);
  if (buffer_.size() > kKeptBufferBytes) {
    buffer_ = std::vector<char>();
    buffer_bytes_ = 0;
  }
  return progress;
}

absl::StatusOr<ReadProgress> SegmentReader::Walk(const ReadLimits& limits,
                                                 absl::FunctionRef<void(const RecordView&)> visit) {
  Budget budget{limits.max_records, limits.max_payload_bytes, limits.max_record_bytes, visit};
  while (true) {
    if (budget.too_large) return ReadProgress::kTooLarge;
    if (next_ > range_.last || passed_ >= range_.last) return ReadProgress::kFinished;
    const ReadPlan plan = Plan();
    if (!range_.table) LookForLostSegments(plan);
    switch (lost_segment_ ? ReadPlan::Kind::kGone : plan.kind) {
      case ReadPlan::Kind::kGone:
        if (!range_.skip_deleted) {
          return RecordsGone(range_.table, range_.table ? plan.first_left : plan.segment_first);
        }
        if (budget.visited) return ReadProgress::kMore;
        if (range_.table) next_ = plan.gone_through + 1;
        lost_segment_ = false;
        return ReadProgress::kSkipped;
      case ReadPlan::Kind::kDamaged:
        if (plan.damage->first > range_.last) return ReadProgress::kFinished;
        if (!range_.table && Acknowledged(plan.damage->last)) continue;
        return ShownDamageError(*plan.damage);
      case ReadPlan::Kind::kAtEnd:
        if (until_) return ReadProgress::kFinished;
        return plan.next_visible > range_.last ? ReadProgress::kFinished : ReadProgress::kAtEnd;
      case ReadPlan::Kind::kRead:
        break;
    }
    if (budget.spent()) return ReadProgress::kMore;
    const absl::StatusOr<bool> read = Read(plan, budget);
    if (!read.ok()) return read.status();
  }
}

absl::StatusOr<bool> SegmentReader::Read(const ReadPlan& plan, Budget& budget) {
  if (file_ != plan.file) {
    LeaveSegment();
    auto open = plan.file->Open();
    if (absl::IsNotFound(open.status())) {
      if (!log_->Lists(plan.file->id())) return false;
      return MissingFile(plan);
    }
    if (!open.ok()) return open.status();
    open_ = *std::move(open);
    file_ = plan.file;
  }
  for (const Extent& extent : plan.extents) {
    if (range_.table && extent.first > plan.last) {
      passed_ = std::max(passed_, plan.last);
      next_ = std::max(next_, plan.last + 1);
      return true;
    }
    const absl::Status status = ReadExtent(plan, extent, budget);
    if (!status.ok()) return status;
    if (budget.spent()) return true;
    if (passed_ >= plan.last) return true;
  }
  return true;
}

absl::Status SegmentReader::ReadExtent(const ReadPlan& plan, const Extent& extent, Budget& budget) {
  // The segment may have grown since its bytes were buffered.
  buffer_bytes_ = 0;
  uint64_t position = extent.begin;
  // Records of other tables in the extent that were passed over are not read again.
  if (range_.table && stopped_at_ > position && stopped_at_ < extent.end &&
      stopped_next_ == next_) {
    position = stopped_at_;
  }
  while (position < extent.end && !budget.spent()) {
    const auto parsed = ParseAt(position, extent.end);
    if (absl::IsOutOfRange(parsed.status())) {
      return Damaged(plan, position, "the file ends before it");
    }
    if (!parsed.ok()) return parsed.status();
    if (parsed->outcome != ParseOutcome::kRecord) {
      const auto next = PassPadding(plan, position, extent.end);
      if (!next.ok()) return next.status();
      if (*next) {
        position = **next;
        continue;
      }
      return Damaged(plan, position,
                     parsed->outcome == ParseOutcome::kInvalid ? parsed->reason : "record is gone");
    }
    if (!Visit(parsed->record, plan, budget)) return absl::OkStatus();
    position += parsed->record.encoded_bytes;
    if (!range_.table) {
      segment_ = plan.file->id();
      offset_ = position;
    } else {
      stopped_at_ = position;
      stopped_next_ = next_;
    }
    if (passed_ >= plan.last) return absl::OkStatus();
  }
  return absl::OkStatus();
}

// Passes over the padding after the last record of a group. The head of the next group says where
// this one ended, so the padding's bytes are not checked. nullopt if other bytes than padding
// follow: then a record is gone.
absl::StatusOr<std::optional<uint64_t>> SegmentReader::PassPadding(const ReadPlan& plan,
                                                                   uint64_t position,
                                                                   uint64_t end) {
  const SegmentHeader& segment = plan.file->header();
  const uint64_t begin = segment.GroupBegin(position);
  if (begin == position || begin + kGroupHeadBytes > end) return std::nullopt;
  if (begin < buffer_offset_ || begin + kGroupHeadBytes > buffer_offset_ + buffer_bytes_) {
    const absl::Status filled = Fill(begin, kGroupHeadBytes, end);
    if (!filled.ok()) return filled;
  }
  const auto head =
      ParseGroupHead(absl::string_view(buffer_.data() + (begin - buffer_offset_), kGroupHeadBytes),
                     segment, begin);
  if (!head || head->previous_end != position) return std::nullopt;
  return begin;
}

bool SegmentReader::Visit(const ParsedRecord& record, const ReadPlan& plan, Budget& budget) {
  if (record.control()) return true;
  if (range_.table && record.table != *range_.table) return true;
  if (record.sequence > plan.last) {
    passed_ = std::max(passed_, plan.last);
    if (range_.table) next_ = std::max(next_, plan.last + 1);
    return true;
  }
  const SequenceNumber shown = record.sequence - OffsetOf(record.table);
  bool wanted = range_.table ? record.sequence >= std::max(next_, plan.first)
                             : shown >= wanted_.first && shown <= wanted_.last;
  if (!range_.table) {
    const auto mark = marks_.find(record.table);
    wanted &= mark == marks_.end() || record.sequence > mark->second;
  }
  if (wanted && record.payload.size() > budget.largest_record) {
    budget.too_large = true;
    too_large_bytes_ = record.payload.size();
    too_large_sequence_ = shown;
    return false;
  }
  passed_ = record.sequence;
  if (!wanted) return true;
  if (range_.table) next_ = record.sequence + 1;
  budget.visited = true;
  budget.visit({record.table, shown, record.payload});
  --budget.records;
  budget.bytes -= std::min(budget.bytes, record.payload.size());
  return true;
}

absl::StatusOr<ParseResult> SegmentReader::ParseAt(uint64_t position, uint64_t end) {
  uint64_t needed = kHeaderBytes;
  while (true) {
    if (position < buffer_offset_ || position + needed > buffer_offset_ + buffer_bytes_) {
      const absl::Status filled = Fill(position, needed, end);
      if (!filled.ok()) return filled;
    }
    const uint64_t skip = position - buffer_offset_;
    const absl::string_view bytes(buffer_.data() + skip, buffer_bytes_ - skip);
    const ParseResult parsed = ParseRecord(bytes, end - position);
    if (parsed.outcome != ParseOutcome::kNeedMore || parsed.needed <= needed) return parsed;
    needed = parsed.needed;
  }
}

absl::Status SegmentReader::Fill(uint64_t position, uint64_t length, uint64_t end) {
  const uint64_t want = std::min(std::max(length, kReadStepBytes), end - position);
  if (buffer_.size() < want) buffer_.resize(want);
  const absl::Status copied = open_->Read(position, absl::MakeSpan(buffer_.data(), want));
  if (!copied.ok()) return copied;
  buffer_offset_ = position;
  buffer_bytes_ = want;
  if (position - std::min(position, released_) >= kReleaseBytes) {
    open_->Release(released_, position);
    released_ = position;
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::Damaged(const ReadPlan& plan, uint64_t position,
                                    const char* reason) const {
  // It is not known exactly which records these bytes held. The next wanted record is one of them.
  const SequenceNumber first = std::max(next_, passed_ + 1);
  SequenceNumber last = first;
  for (const Extent& extent : plan.extents) {
    if (range_.table && extent.begin > position) {
      last = std::max(last, extent.first - 1);
      break;
    }
  }
  return ShownDamageError({.file = plan.file->shown_path(),
                           .offset = position,
                           .length = kHeaderBytes,
                           .first = first,
                           .last = last,
                           .reason = reason});
}

void SegmentReader::LeaveSegment() {
  if (open_ != nullptr) open_->Release(released_, open_->size());
  open_.reset();
  file_.reset();
  released_ = 0;
  buffer_bytes_ = 0;
  stopped_at_ = 0;
}

}  // namespace walden::segment
