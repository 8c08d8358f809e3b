#include "engine/segment/segment_scan_v1.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/big_endian.h"
#include "engine/segment/file_window.h"
#include "engine/segment/format_v1.h"
#include "engine/segment/record_parser.h"
#include "engine/segment/record_search_v1.h"
#include "engine/segment/zero_search.h"

namespace walden::segment::v1 {
namespace {

constexpr uint64_t kProgressBytes = 4 << 20;

class Scanner {
 public:
  Scanner(const File& file, const SegmentScanOptions& options)
      : options_(options), window_(file, End(options)), expected_(options.expected) {}

  absl::StatusOr<SegmentScan> Scan() {
    absl::Status status = CheckMagic();
    while (status.ok() && !finished_) status = Step();
    if (!status.ok()) return status;
    scan_.end = position_;
    scan_.next = expected_;
    return std::move(scan_);
  }

 private:
  static uint64_t End(const SegmentScanOptions& options) {
    if (options.known_end && options.known_end->offset) return *options.known_end->offset;
    return options.header.bytes;
  }

  absl::Status CheckMagic() {
    const auto bytes = window_.Peek(0, kMagicBytes);
    if (!bytes.ok()) return bytes.status();
    position_ = kMagicBytes;
    if (bytes->substr(0, kMagicBytes) != kSegmentMagic) {
      scan_.damage.push_back({0, kMagicBytes, 0, 0, "magic number does not match"});
    }
    return absl::OkStatus();
  }

  absl::Status Step() {
    if (PassKnownDamage()) return absl::OkStatus();
    if (position_ - reported_ >= kProgressBytes) {
      reported_ = position_;
      if (!options_.progress(position_)) return absl::CancelledError("stopped by the caller");
    }
    auto bytes = window_.Peek(position_, kHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    const uint64_t room = window_.end() - std::min(position_, window_.end());
    ParseResult parsed = ParseRecord(*bytes, room);
    if (parsed.outcome == ParseOutcome::kNeedMore) {
      bytes = window_.Peek(position_, parsed.needed);
      if (!bytes.ok()) return bytes.status();
      if (bytes->size() >= parsed.needed) parsed = ParseRecord(*bytes, room);
    }
    switch (parsed.outcome) {
      case ParseOutcome::kRecord: {
        if (parsed.record.sequence < expected_) {
          return Stop(What::kLeftover, "leftover with a lower sequence number");
        }
        const char* const reason = Accept(parsed.record);
        return reason == nullptr ? absl::OkStatus() : Stop(What::kInvalid, reason);
      }
      case ParseOutcome::kNeverWritten:
        return Stop(What::kNeverWritten, "never written");
      case ParseOutcome::kNeedMore:
        return Stop(What::kInvalid, "the file is cut short");
      case ParseOutcome::kInvalid:
        return Stop(What::kInvalid, parsed.reason);
    }
    return absl::InternalError("unreachable");
  }

  bool PassKnownDamage() {
    for (const Damage& known : options_.known_damage) {
      if (known.begin != position_ || known.end <= known.begin) continue;
      EndBatch();
      position_ = known.end;
      scan_.index.Fence(static_cast<uint32_t>(position_));
      if (known.last != 0) expected_ = known.last + 1;
      return true;
    }
    return false;
  }

  // Null, or why the record cannot follow.
  const char* Accept(const ParsedRecord& record) {
    if (record.sequence > expected_ && !record.jump())
      return "sequence numbers are missing before it";
    if (in_batch_ && record.table != run_.table) return "a batch mixes tables";
    if (!in_batch_) BeginBatch(record);
    if ((record.flags & kBarrier) != 0) scan_.durable_end = position_;
    if (record.control()) {
      expected_ = record.sequence;
      position_ += record.encoded_bytes;
      run_.begin = run_.end = static_cast<uint32_t>(position_);
      return nullptr;
    }
    AddToRun(record);
    expected_ = record.sequence + 1;
    position_ += record.encoded_bytes;
    if (!record.more_of_batch()) EndBatch();
    return nullptr;
  }

  void BeginBatch(const ParsedRecord& record) {
    in_batch_ = true;
    batch_begin_ = position_;
    batch_expected_ = expected_;
    run_ = {.table = record.table, .begin = static_cast<uint32_t>(position_)};
    run_.end = run_.begin;
    batch_first_ = 0;
    batch_records_ = 0;
  }

  void AddToRun(const ParsedRecord& record) {
    const uint64_t record_end = position_ + record.encoded_bytes;
    if (run_.first != 0 && record_end - run_.begin > kMaxRunBytes) {
      batch_runs_.push_back(run_);
      run_.first = 0;
      run_.begin = static_cast<uint32_t>(position_);
    }
    if (run_.first == 0) run_.first = record.sequence;
    if (batch_first_ == 0) batch_first_ = record.sequence;
    run_.last = record.sequence;
    run_.end = static_cast<uint32_t>(record_end);
    ++batch_records_;
  }

  // Keeps the records of the current batch.
  void EndBatch() {
    if (!in_batch_) return;
    in_batch_ = false;
    if (run_.first != 0) batch_runs_.push_back(run_);
    for (const Run& run : batch_runs_) scan_.index.Add(run);
    batch_runs_.clear();
    if (batch_records_ > 0) {
      scan_.records += batch_records_;
      if (scan_.first == 0) scan_.first = batch_first_;
      scan_.last = run_.last;
      scan_.table_last[run_.table] = run_.last;
    }
  }

  void DropBatch() {
    if (in_batch_) {
      position_ = batch_begin_;
      expected_ = batch_expected_;
    }
    in_batch_ = false;
    batch_runs_.clear();
  }

  // The bytes at position_ that are not the next record.
  enum class What {
    kNeverWritten,
    kLeftover,  // a valid record of an earlier use of the file
    kInvalid,
  };

  // Decides whether the log ends at position_, has a torn tail there, or is damaged.
  absl::Status Stop(What what, const char* reason) {
    return options_.known_end ? StopBeforeKnownEnd(what, reason) : StopAtUnknownEnd(what, reason);
  }

  absl::Status StopBeforeKnownEnd(What what, const char* reason) {
    const KnownEnd& known = *options_.known_end;
    const bool all_there = !in_batch_ && expected_ >= known.next;
    if (all_there && (!known.offset || position_ >= *known.offset)) {
      finished_ = true;
      return absl::OkStatus();
    }
    const auto next = FindRecord(window_, position_ + 1, Here());
    if (!next.ok()) return next.status();
    if (next->has_value()) {
      AddDamage((*next)->offset, (*next)->sequence, reason);
      return absl::OkStatus();
    }
    if (what == What::kNeverWritten && in_batch_) reason = "the rest of a batch is missing";
    AddDamage(window_.end(), known.next, reason);
    finished_ = true;
    return absl::OkStatus();
  }

  absl::Status StopAtUnknownEnd(What what, const char* reason) {
    const bool never_written = what == What::kNeverWritten;
    const uint64_t near = std::min(window_.end(), position_ + kMaxUnsyncedBytes);
    auto last = LastNonZero(window_, position_, never_written ? near : window_.end());
    if (!last.ok()) return last.status();
    if (never_written && *last == position_) {
      if (in_batch_)
        scan_.torn = TornTail{batch_begin_, position_, "the rest of a batch is missing"};
      DropBatch();
      finished_ = true;
      return absl::OkStatus();
    }
    const auto barrier = FindBarrier(window_, position_ + 1, Here());
    if (!barrier.ok()) return barrier.status();
    const auto next = FindRecord(window_, position_ + 1, Here());
    if (!next.ok()) return next.status();
    if (*barrier) {
      AddDamage((*next)->offset, (*next)->sequence, reason);
      return absl::OkStatus();
    }
    last = LastNonZero(window_, position_, window_.end());
    if (!last.ok()) return last.status();
    const auto torn = LooksTorn(*next, *last);
    if (!torn.ok()) return torn.status();
    if (*torn || what == What::kLeftover) {
      DropBatch();
      scan_.torn = TornTail{position_, *last, reason};
      finished_ = true;
    } else if (next->has_value()) {
      AddDamage((*next)->offset, (*next)->sequence, reason);
    } else {
      // No record follows, so the number of lost records has only an upper bound.
      AddDamage(*last, Here().HighestAt(*last), reason);
      finished_ = true;
    }
    return absl::OkStatus();
  }

  Continuation Here() const { return {position_, expected_, options_.reserved}; }

  // A write that a crash cut left at least one sector of the record at position_ unwritten.
  absl::StatusOr<bool> LooksTorn(const std::optional<FoundRecord>& next, uint64_t last_non_zero) {
    const auto header = window_.Peek(position_, kHeaderBytes);
    if (!header.ok()) return header.status();
    if (header->size() < kHeaderBytes) return true;
    uint64_t record_end = position_ + kHeaderBytes + GetU32(header->data() + kValueLengthOffset);
    if (record_end > window_.end()) record_end = last_non_zero;
    if (next) record_end = std::min(record_end, next->offset);
    record_end = std::min(std::max(record_end, position_ + kMinRecordBytes), window_.end());
    return HasUnwrittenSector(window_, position_, record_end);
  }

  void AddDamage(uint64_t end, SequenceNumber next, const char* reason) {
    EndBatch();
    Damage damage{position_, end, 0, 0, reason};
    if (next > expected_) {
      damage.first = expected_;
      damage.last = next - 1;
    }
    scan_.damage.push_back(std::move(damage));
    position_ = end;
    scan_.index.Fence(static_cast<uint32_t>(position_));
    expected_ = std::max(expected_, next);
  }

  const SegmentScanOptions& options_;
  FileWindow window_;
  SegmentScan scan_;
  uint64_t position_ = 0;
  uint64_t reported_ = 0;
  SequenceNumber expected_;
  bool finished_ = false;

  bool in_batch_ = false;
  uint64_t batch_begin_ = 0;
  SequenceNumber batch_expected_ = 0;
  SequenceNumber batch_first_ = 0;
  uint64_t batch_records_ = 0;
  std::vector<Run> batch_runs_;
  Run run_;
};

}  // namespace

absl::StatusOr<SegmentScan> ScanSegment(const File& file, const SegmentScanOptions& options) {
  return Scanner(file, options).Scan();
}

}  // namespace walden::segment::v1
