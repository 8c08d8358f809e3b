#include "engine/segment/segment_scan.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/segment/file_window.h"
#include "engine/segment/format.h"
#include "engine/segment/format_v1.h"
#include "engine/segment/group_reader.h"
#include "engine/segment/record_parser.h"
#include "engine/segment/segment_scan_v1.h"
#include "engine/segment/zero_search.h"

namespace walden::segment {
namespace {

constexpr uint64_t kProgressBytes = 4 << 20;

class Scanner {
 public:
  Scanner(const File& file, uint64_t file_bytes, const SegmentScanOptions& options)
      : options_(options),
        file_(file),
        segment_(options.header),
        file_bytes_(std::min(file_bytes, segment_.bytes)),
        limit_(Limit(options)),
        window_(file, std::min(limit_, file_bytes_)),
        expected_(options.expected),
        durable_end_(options.known_end ? Limit(options) : options.durable_end),
        durable_next_(options.known_end ? options.known_end->next : options.durable_next) {}

  absl::StatusOr<SegmentScan> Scan() {
    absl::Status status = CheckHeader();
    while (status.ok() && !finished_) status = Step();
    if (status.ok() && options_.known_end && !foreign_) status = LookBehindKnownEnd();
    if (!status.ok()) return status;
    CheckLength();
    scan_.end = end_;
    scan_.durable_end = durable_end_;
    scan_.durable_next = durable_next_;
    scan_.next = expected_;
    return std::move(scan_);
  }

 private:
  // No byte was written from this position on.
  static uint64_t Limit(const SegmentScanOptions& options) {
    const uint64_t size = options.header.bytes;
    return std::min(options.known_end ? options.known_end->offset.value_or(size) : options.reach,
                    size);
  }

  absl::Status CheckHeader() {
    const auto bytes = window_.Peek(0, kSegmentHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    end_ = kSegmentHeaderBytes;
    if (PassKnownDamage(0)) return absl::OkStatus();
    const auto header = ParseSegmentHeader(*bytes);
    if (!header && bytes->substr(0, kMagicBytes) != v1::kSegmentMagic) {
      // The groups' own checksums say whether they belong to this file.
      scan_.damage.push_back({0, kSegmentHeaderBytes, 0, 0, "the file's header is broken"});
    } else if (!header || *header != segment_) {
      foreign_ = true;
      finished_ = true;
      const SequenceNumber next = options_.known_end ? durable_next_ : Highest(limit_);
      AddDamage(0, segment_.bytes, next,
                header ? HeaderDifference(*header, segment_) : "it is a segment of version 1");
    }
    return absl::OkStatus();
  }

  // A group after the known end was written after the metadata noted that end.
  absl::Status LookBehindKnownEnd() {
    std::array<char, kGroupHeadBytes> bytes;
    const uint64_t begin = segment_.GroupBegin(end_);
    const absl::StatusOr<size_t> got = file_.Read(begin, absl::MakeSpan(bytes));
    if (!got.ok()) return got.status();
    const auto head = ParseGroupHead({bytes.data(), *got}, segment_, begin);
    if (head) NoteMetadata(head->metadata_append, begin);
    return absl::OkStatus();
  }

  // A file has its full length before it is used, so a shorter one lost its end.
  void CheckLength() {
    if (file_bytes_ >= segment_.bytes || foreign_) return;
    const uint64_t missing_from = std::max(end_, file_bytes_);
    for (const Damage& known : options_.known_damage) {
      if (known.begin <= missing_from && known.end == segment_.bytes) return;  // found before
    }
    const std::string reason =
        absl::StrCat("the file has ", file_bytes_, " bytes, and was made with ", segment_.bytes);
    const uint64_t end = end_;
    if (options_.known_end || file_bytes_ >= limit_) {
      // No byte was written in the missing part.
      AddDamage(missing_from, segment_.bytes, expected_, reason);
      end_ = end;
    } else {
      scan_.torn.reset();
      AddDamage(end_, segment_.bytes, Highest(limit_), reason);
    }
  }

  absl::Status Step() {
    if (PassKnownDamage(end_) || PassKnownDamage(segment_.GroupBegin(end_))) {
      return absl::OkStatus();
    }
    if (end_ - reported_ >= kProgressBytes) {
      reported_ = end_;
      if (!options_.progress(end_)) return absl::CancelledError("stopped by the caller");
    }
    if (options_.known_end && end_ >= durable_end_) {
      finished_ = true;
      return absl::OkStatus();
    }
    const uint64_t begin = segment_.GroupBegin(end_);
    BeginGroup();
    const auto group =
        ReadGroup(window_, segment_, begin,
                  [this](const ParsedRecord& record, uint64_t at) { return Accept(record, at); });
    if (!group.ok()) return group.status();
    const char* broken = group->broken;
    if (broken == nullptr && group->head->sequence < expected_) {
      broken = "its numbers were given out before";
    }
    if (broken == nullptr) {
      EndGroup(begin, *group->head);
      return absl::OkStatus();
    }
    return Stop(begin, group->head, broken);
  }

  bool PassKnownDamage(uint64_t at) {
    for (const Damage& known : options_.known_damage) {
      if (known.begin != at || known.end <= known.begin) continue;
      PassDamage(known.end, known.last == 0 ? 0 : known.last + 1);
      return true;
    }
    return false;
  }

  // ---- The group being read: kept only once it is known to be whole. ----

  void BeginGroup() {
    runs_.clear();
    producers_.clear();
    run_ = {};
    group_expected_ = expected_;
    group_records_ = 0;
    batch_begins_ = true;
    open_producer_ = false;
  }

  const char* Accept(const ParsedRecord& record, uint64_t at) {
    if (record.sequence < group_expected_) return "its numbers were given out before";
    if (record.sequence > group_expected_ && !record.jump()) {
      return "sequence numbers are missing before it";
    }
    if (batch_begins_) EndRun();
    if (record.control()) {
      if (const auto producer = ParseProducerControl(record)) {
        producers_.push_back({producer->id, producer->sequence, {}});
        open_producer_ = true;
      }
      group_expected_ = record.sequence;
    } else {
      AddToRun(record, at);
      group_expected_ = record.sequence + 1;
    }
    batch_begins_ = !record.more_of_batch();
    if (batch_begins_) open_producer_ = false;
    return nullptr;
  }

  void AddToRun(const ParsedRecord& record, uint64_t at) {
    const uint64_t record_end = at + record.encoded_bytes;
    if (run_.first != 0 && (run_.table != record.table || record_end - run_.begin > kMaxRunBytes)) {
      EndRun();
    }
    if (run_.first == 0) {
      run_ = {.table = record.table, .first = record.sequence, .begin = static_cast<uint32_t>(at)};
    }
    run_.last = record.sequence;
    run_.end = static_cast<uint32_t>(record_end);
    ++group_records_;
    if (!open_producer_) return;
    std::vector<ProducerRange>& tables = producers_.back().tables;
    if (tables.empty() || tables.back().table != record.table) {
      tables.push_back({.table = record.table, .first = record.sequence});
    }
    tables.back().last = record.sequence;
  }

  void EndRun() {
    if (run_.first != 0) runs_.push_back(run_);
    run_ = {};
  }

  void KeepRuns() {
    EndRun();
    for (const Run& run : runs_) {
      scan_.index.Add(run);
      scan_.table_last[run.table] = run.last;
      if (scan_.first == 0) scan_.first = run.first;
      scan_.last = run.last;
    }
    runs_.clear();
  }

  void EndGroup(uint64_t begin, const GroupHead& head) {
    KeepRuns();
    scan_.records += group_records_;
    scan_.producers.insert(scan_.producers.end(), producers_.begin(), producers_.end());
    scan_.written_unix_micros =
        std::max(head.unix_micros, scan_.written_unix_micros.value_or(INT64_MIN));
    if (group_records_ > 0) scan_.append_times.Add(begin, scan_.last, head.unix_micros);
    NoteMetadata(head.metadata_append, begin);
    if (head.durable.segment == segment_.segment && head.durable.end > durable_end_) {
      durable_end_ = head.durable.end;
      durable_next_ = std::max(durable_next_, head.sequence);
    }
    end_ = begin + head.bytes;
    expected_ = std::max(group_expected_, head.sequence);
  }

  void NoteMetadata(uint64_t append, uint64_t at) {
    if (append <= scan_.metadata_append) return;
    scan_.metadata_append = append;
    scan_.metadata_append_at = at;
  }

  // ---- What stands at `begin` is not the next group: the end, a torn tail, or damage? ----

  absl::Status Stop(uint64_t begin, const std::optional<GroupHead>& head, const char* reason) {
    const bool all_ends_known = options_.known_end.has_value();
    const auto search = SearchGroups(window_, segment_, begin + segment_.alignment, limit_,
                                     expected_, /*stop_at_next=*/all_ends_known || searched_);
    if (!search.ok()) return search.status();
    if (!all_ends_known) {
      if (head) NoteMetadata(head->metadata_append, begin);
      NoteMetadata(search->metadata_append, search->metadata_append_at);
      if (search->durable_end > durable_end_) {
        durable_end_ = search->durable_end;
        durable_next_ = search->durable_next;
      }
      if (head && head->durable.segment == segment_.segment && head->durable.end > durable_end_) {
        durable_end_ = head->durable.end;
        durable_next_ = head->sequence;
      }
      searched_ = true;
    }
    if (end_ < durable_end_) {
      if (head) {
        const auto read = ReadRecordByRecord(begin, *head);
        if (!read.ok()) return read.status();
        if (*read) return absl::OkStatus();
      }
      return StopBelowDurable(*search, reason);
    }
    return StopAtEnd(begin, head, *search, reason);
  }

  // Reads a group that was durable as a whole. If its head and the headers of its records are
  // sound, only the records that fail their checksums are damaged.
  absl::StatusOr<bool> ReadRecordByRecord(uint64_t begin, const GroupHead& head) {
    if (begin + head.bytes > durable_end_ || head.sequence < expected_) return false;
    BeginGroup();
    const auto read = ReadBrokenGroup(
        window_, begin, head, [this](const ParsedRecord& record, uint64_t at, const char* broken) {
          if (broken == nullptr) broken = Accept(record, at);
          if (broken != nullptr) PassBrokenRecord(record, at, broken);
        });
    if (!read.ok() || !*read) return read;
    // It is not known for sure which producer sent which batch, even if no record is lost.
    producers_.clear();
    scan_.producers_lost_through = group_expected_ - 1;
    EndGroup(begin, head);
    return true;
  }

  void PassBrokenRecord(const ParsedRecord& record, uint64_t at, const char* reason) {
    KeepRuns();
    const uint64_t end = at + record.encoded_bytes;
    const bool is_known =
        std::any_of(options_.known_damage.begin(), options_.known_damage.end(),
                    [&](const Damage& known) { return known.begin <= at && end <= known.end; });
    expected_ = record.jump() ? record.sequence : group_expected_;
    const SequenceNumber next = record.sequence + (record.control() ? 0 : 1);
    if (is_known) {
      PassDamage(end, next);
    } else {
      AddDamage(at, end, next, reason);
    }
    group_expected_ = std::max(group_expected_, next);
    batch_begins_ = !record.more_of_batch();
    if (batch_begins_) open_producer_ = false;
  }

  // Adds damage below the durable position. It begins where the last good record ends, so that
  // readers stop there.
  absl::Status StopBelowDurable(const GroupSearch& search, const char* reason) {
    if (search.next && search.next->offset < durable_end_) {
      AddDamage(end_, search.next->offset, search.next->sequence, reason);
      return absl::OkStatus();
    }
    SequenceNumber next = durable_next_;
    if (next == 0 || next < expected_) next = search.next ? search.next->sequence : expected_;
    // Groups that were written during the sync are before the one that says what was durable.
    if (search.next) next = std::min(next, search.next->sequence);
    AddDamage(end_, durable_end_, next, reason);
    return absl::OkStatus();
  }

  absl::Status StopAtEnd(uint64_t begin, const std::optional<GroupHead>& head,
                         const GroupSearch& search, const char* reason) {
    const auto last = LastNonZero(window_, begin, window_.end());
    if (!last.ok()) return last.status();
    if (*last <= begin) {
      finished_ = true;
      return absl::OkStatus();
    }
    const uint64_t group_end = head ? begin + head->bytes : begin + kGroupHeadBytes;
    const auto torn = HasUnwrittenSector(window_, begin, std::min(group_end, window_.end()));
    if (!torn.ok()) return torn.status();
    if (*torn || group_end > window_.end()) {
      scan_.torn = TornTail{begin, *last, reason};
      finished_ = true;
      return absl::OkStatus();
    }
    // Every sector of the group was written, and the group is not whole.
    if (head) {
      AddDamage(end_, group_end, Behind(*head, search), reason);
    } else if (search.next) {
      AddDamage(end_, search.next->offset, search.next->sequence, reason);
    } else {
      // No group follows, so the number of lost records has only an upper bound.
      AddDamage(end_, *last, Highest(*last), reason);
    }
    return absl::OkStatus();
  }

  // A number above all numbers of the group, which may jump.
  SequenceNumber Behind(const GroupHead& head, const GroupSearch& search) const {
    if (search.next) return search.next->sequence;
    return std::max(head.sequence, options_.reserved + 1) + head.records;
  }

  // The highest number that can follow if records fill all bytes up to `end`.
  SequenceNumber Highest(uint64_t end) const {
    return std::max(expected_, options_.reserved + 1) +
           (end - std::min(end, end_)) / kMinRecordBytes + 1;
  }

  void AddDamage(uint64_t begin, uint64_t end, SequenceNumber next, std::string reason) {
    Damage damage{begin, end, 0, 0, std::move(reason)};
    if (next > expected_) {
      damage.first = expected_;
      damage.last = next - 1;
    }
    scan_.damage.push_back(std::move(damage));
    PassDamage(end, next);
  }

  void PassDamage(uint64_t end, SequenceNumber next) {
    end_ = end;
    scan_.index.Fence(static_cast<uint32_t>(end_));
    expected_ = std::max(expected_, next);
  }

  const SegmentScanOptions& options_;
  const File& file_;
  const SegmentHeader& segment_;
  const uint64_t file_bytes_;
  const uint64_t limit_;
  FileWindow window_;
  SegmentScan scan_;
  uint64_t end_ = 0;  // of what was read or is known to be damaged
  uint64_t reported_ = 0;
  SequenceNumber expected_;
  uint64_t durable_end_;
  SequenceNumber durable_next_;
  bool searched_ = false;  // durable_end_ includes what groups after the first stop say
  bool finished_ = false;
  bool foreign_ = false;  // the file is another segment

  SequenceNumber group_expected_ = 0;
  uint64_t group_records_ = 0;
  bool batch_begins_ = true;
  bool open_producer_ = false;
  Run run_;
  std::vector<Run> runs_;
  std::vector<ScannedProducer> producers_;
};

}  // namespace

absl::StatusOr<SegmentScan> ScanSegment(const File& file, const SegmentScanOptions& options) {
  if (options.header.version_1()) return v1::ScanSegment(file, options);
  const absl::StatusOr<uint64_t> size = file.Size();
  if (!size.ok()) return size.status();
  return Scanner(file, *size, options).Scan();
}

}  // namespace walden::segment
