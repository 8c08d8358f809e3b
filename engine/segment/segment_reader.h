// LogReader over published segments (engine/log_engine.h). One thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/log_engine.h"
#include "engine/segment/published_log.h"
#include "engine/segment/record_parser.h"

namespace walden::segment {

class SegmentReader final : public LogReader {
 public:
  SegmentReader(std::shared_ptr<const PublishedLog> log, const ReadRange& range);

  absl::StatusOr<ReadProgress> Next(const ReadLimits& limits,
                                    absl::FunctionRef<void(const RecordView&)> visit) override;
  size_t too_large_bytes() const override { return too_large_bytes_; }
  SequenceNumber too_large_sequence() const override { return too_large_sequence_; }
  void EndHere() override;

 private:
  struct Budget {
    size_t records;
    size_t bytes;
    size_t largest_record;
    absl::FunctionRef<void(const RecordView&)> visit;
    bool visited = false;
    bool too_large = false;  // the next record is
    bool spent() const { return records == 0 || bytes == 0 || too_large; }
  };

  absl::StatusOr<ReadProgress> Walk(const ReadLimits& limits,
                                    absl::FunctionRef<void(const RecordView&)> visit);
  ReadPlan Plan();
  // For all tables: a plan that begins after the end of EndHere becomes kAtEnd, and a plan that
  // crosses it is cut.
  void CutAtEnd(ReadPlan& plan) const;
  // For all tables: whether every known table was marked deleted through this number.
  bool Acknowledged(SequenceNumber damaged_through);
  // For all tables: notes whether a segment before `plan` is gone that held live records at the
  // start and was not read to its end of then.
  void LookForLostSegments(const ReadPlan& plan);
  absl::Status MissingFile(const ReadPlan& plan) const;
  // Reads the records of the plan until the budget is spent. False if the segment was deleted
  // meanwhile.
  absl::StatusOr<bool> Read(const ReadPlan& plan, Budget& budget);
  absl::Status ReadExtent(const ReadPlan& plan, const Extent& extent, Budget& budget);
  absl::StatusOr<std::optional<uint64_t>> PassPadding(const ReadPlan& plan, uint64_t position,
                                                      uint64_t end);
  // Visits the record. Returns false without a visit if it is too large for the budget.
  bool Visit(const ParsedRecord& record, const ReadPlan& plan, Budget& budget);
  // The whole record at `position`, from the buffer or copied into it.
  absl::StatusOr<ParseResult> ParseAt(uint64_t position, uint64_t end);
  absl::Status Fill(uint64_t position, uint64_t length, uint64_t end);
  absl::Status Damaged(const ReadPlan& plan, uint64_t position, const char* reason) const;
  void LeaveSegment();
  // The difference between the log's own numbers of a table and those that clients know (FORMAT.md:
  // restored tables).
  uint64_t OffsetOf(TableId table) const;
  absl::Status ShownDamageError(DamagedRange damage) const;

  const std::shared_ptr<const PublishedLog> log_;
  // Offsets for a reader of all tables. For a reader of one table the bounds of range_ include the
  // offset.
  const absl::flat_hash_map<TableId, uint64_t> offsets_;
  const uint64_t offset_of_table_;
  ReadRange range_;                                     // in the log's own numbers
  const ReadRange wanted_;                              // as asked for
  absl::flat_hash_map<TableId, SequenceNumber> marks_;  // all tables: as of the start

  SequenceNumber next_;   // one table: lowest number still wanted
  uint64_t segment_ = 0;  // all tables: where to go on
  uint64_t offset_ = 0;
  std::vector<PublishedLog::End> ends_;  // all tables: what is still to be read, as of the start
  bool lost_segment_ = false;
  std::optional<PublishedLog::End> until_;   // EndHere, all tables
  SequenceNumber passed_ = 0;                // highest number passed by
  SequenceNumber acknowledged_through_ = 0;  // all tables: damage through here is no news

  // The segment being read.
  std::shared_ptr<const SegmentFile> file_;
  std::shared_ptr<const OpenSegment> open_;
  uint64_t released_ = 0;
  uint64_t stopped_at_ = 0;          // one table: behind the last record passed by
  SequenceNumber stopped_next_ = 0;  // next_, when it was
  size_t too_large_bytes_ = 0;
  SequenceNumber too_large_sequence_ = 0;
  std::vector<char> buffer_;
  uint64_t buffer_offset_ = 0;
  uint64_t buffer_bytes_ = 0;
};

// The error of every read that meets damage: DATA_LOSS (CORRUPTION).
absl::Status DamageError(const DamagedRange& damage);

}  // namespace walden::segment
