// A model of a region's log: a list of the batches that it may and must hold, in log order.
//
// The model is told every call and its answer, checks the answer, and compares the log with itself.
// Where an answer was lost (a crash, a failed write) it keeps both possibilities until the region
// is reopened and shows which one came true. Single-threaded.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/log_engine.h"
#include "tests/simulation/producer_model.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

// The faults that happened under the region since it was opened. Each excuses some answers.
struct Trouble {
  bool failed = false;     // a call failed or the machine crashed: UNAVAILABLE
  bool disk_full = false;  // RESOURCE_EXHAUSTED
  bool lost_bytes =
      false;  // a power cut or failed sync: answered but not durable batches may be gone
};

class RegionModel {
 public:
  // `shared_numbers`: tables of one id share their numbers with those of other regions, so that a
  // table's next number rises without an append to it.
  // `time_step_micros`: the engine may know append times only this well.
  explicit RegionModel(bool shared_numbers = false, int64_t time_step_micros = 0)
      : shared_numbers_(shared_numbers), time_step_micros_(time_step_micros) {}

  // The records of a batch in one table.
  struct StoredPart {
    TableId table = 0;
    SequenceNumber first = 0;  // 0: never answered
    std::vector<std::string> payloads;
    // The append time is not lower than this: the time of the clock, or that of an earlier record
    // of the table.
    int64_t appended_micros = 0;

    SequenceNumber last() const { return first + payloads.size() - 1; }
  };

  struct StoredBatch {
    std::vector<StoredPart> parts;
    std::optional<ProducerTag> producer;
    bool durable = false;
    bool may_be_refused = false;  // not answered, and the failure may not be the only reason
    uint64_t epoch = 0;           // when it was begun
    // Batches that were begun in this epoch or a later one prove that it was durable.
    uint64_t proven_from = UINT64_MAX;
    int64_t unix_micros = 0;    // of the clock on the wall
    int64_t latest_micros = 0;  // the latest time that this clock had shown
  };

  // --- Beginning ---

  // When an operation is begun.
  struct Moment {
    uint64_t epoch = 0;         // rises when answers say that more is durable
    bool failed = false;        // an answer said that the region has failed
    int64_t unix_micros = 0;    // of the clock on the wall
    int64_t latest_micros = 0;  // the latest time that this clock had shown
  };
  Moment Now(int64_t unix_micros, int64_t latest_micros) const {
    return {.epoch = epoch_,
            .failed = failed_,
            .unix_micros = unix_micros,
            .latest_micros = latest_micros};
  }
  // Notes that an operation was begun that raises the version, which may show before the answer.
  void Begun(std::optional<uint64_t> version);

  // --- Answers, in the order in which their operations were begun ---

  struct CommitFacts {
    Moment begun;
    bool one_group = true;  // it was written and synced at once
    bool answered = true;   // otherwise `results` are errors which nobody gave
    uint64_t segment_bytes = 0;
  };
  absl::Status CheckCommit(const std::vector<Batch>& group, const std::vector<BatchResult>& results,
                           const CommitFacts& facts, const Trouble& trouble);
  // `end_before`: a number through which the mark is made at least, if it asks for that.
  absl::Status CheckMark(const RegionLog& log, const TableMark& asked,
                         std::optional<uint64_t> version, SequenceNumber end_before,
                         const absl::StatusOr<SequenceNumber>& answer, const Trouble& trouble);
  absl::Status CheckFence(uint64_t version, const absl::Status& answer, const Trouble& trouble);
  absl::Status CheckOpenProducer(std::optional<uint64_t> version,
                                 const absl::StatusOr<uint64_t>& answer, const Trouble& trouble);
  // Takes over the table's next number from the log, since other regions may have raised it.
  absl::Status FollowNext(const RegionLog& log, TableId table);
  // Notes that Sync or Close was answered, or that the region has nothing unsynced.
  void EverythingIsDurable();

  // --- The log ---

  // Checks that the open region shows exactly the answered batches.
  absl::Status CompareOpen(const RegionLog& log) const;
  absl::Status CompareRange(const RegionLog& log, const ReadRange& range,
                            const ReadLimits& limits) const;

  // Checks that FirstSince skips no record from this time on, and returns no earlier record than
  // the engine's precision allows. `next`: the table's next number before the call.
  absl::Status CheckSince(TableId table, int64_t unix_micros, SequenceNumber first,
                          SequenceNumber next) const;
  // As CheckSince, where damage may make the answer any lower.
  absl::Status CheckNothingSkipped(TableId table, int64_t unix_micros, SequenceNumber first) const;

  // Checks a plan that deletes the records appended before this time: none is younger.
  absl::Status CheckPlan(const RetentionPlan& plan, int64_t unix_micros) const;

  // Checks where the last `count` records of the table begin. `log`: the open region.
  absl::Status CheckLast(const RegionLog& log, TableId table, uint64_t count,
                         SequenceNumber first) const;
  // As CheckLast, where records were marked deleted meanwhile.
  absl::Status CheckCountFrom(TableId table, uint64_t count, SequenceNumber first) const;

  // The region was reopened: everything durable is there, the rest is a prefix of whole batches.
  // Afterwards the model holds what was found.
  absl::Status ResolveReopened(const RegionLog& log, const Trouble& trouble);

  // Compares a reopened region of which the last epoch may be cut off as a torn tail.
  absl::Status CompareCutTail(const RegionLog& log) const;

  // --- For choosing what to do next ---

  SequenceNumber Next(TableId table) const;
  SequenceNumber HighestAnswered(TableId table) const;
  SequenceNumber HighestAnswered() const;  // of all tables
  SequenceNumber MarkOf(TableId table) const;
  uint64_t region_version() const { return version_; }
  bool IsKnown(const Batch& batch) const { return producers_.IsKnown(batch); }
  uint64_t ExpectedOfProducer(uint64_t id) const { return producers_.Expected(id); }
  bool has_failed() const { return failed_; }
  // Whether batches may be stored that were never answered.
  bool has_unanswered() const { return !unanswered_.empty(); }
  const std::vector<StoredBatch>& batches() const { return batches_; }
  std::vector<StoredRecord> Live(TableId table) const;
  std::vector<TableId> Tables() const;

 private:
  struct Table {
    SequenceNumber next = 1;
    SequenceNumber mark = 0;
    std::set<SequenceNumber> possible_marks;  // unanswered ones
    SequenceNumber highest_answered = 0;
  };

  absl::Status CheckAnswer(const Batch& batch, const BatchResult& result, const CommitFacts& facts,
                           const Trouble& trouble, bool alone);
  absl::Status CheckAccepted(const Batch& batch, const BatchResult& result, const Moment& begun);
  absl::Status CheckRefused(const Batch& batch, const BatchResult& result, const CommitFacts& facts,
                            const Trouble& trouble, bool alone);
  absl::Status CheckFailed(const Batch& batch, const BatchResult& result, const CommitFacts& facts,
                           const Trouble& trouble, bool alone);
  bool IsFenced(std::optional<uint64_t> version) const;
  void MayRaiseVersion(std::optional<uint64_t> version);
  bool IsAnEnd(const RegionLog& log, TableId table, SequenceNumber through,
               SequenceNumber mark) const;
  SequenceNumber LastRecord(TableId table) const;
  absl::Status ResolveMarks(const RegionLog& log);
  absl::Status ResolveBatches(const RegionLog& log, const Trouble& trouble);
  absl::Status ResolveNumbers(const RegionLog& log);
  bool MarkDurable();  // false if all was
  std::vector<StoredRecord> LiveOf(const StoredPart& part) const;
  absl::Status CheckNumbers(const BatchPart& part, const PartResult& numbers) const;
  bool Mismatches(const Batch& batch) const;
  // The first record of the part that is not marked deleted; 0: none.
  SequenceNumber FirstLive(const StoredPart& part) const;
  int64_t AppendTime(TableId table,
                     int64_t unix_micros) const;  // of a record that is appended then

  bool shared_numbers_;
  int64_t time_step_micros_;
  std::vector<StoredBatch> batches_;     // answered, in log order
  std::vector<StoredBatch> unanswered_;  // in the order in which they would follow
  std::map<TableId, Table> tables_;
  ProducerModel producers_;
  uint64_t version_ = 0;
  uint64_t possible_version_ = 0;  // by what was answered
  uint64_t begun_version_ = 0;     // by what was begun
  uint64_t epoch_ = 0;
  SequenceNumber unknown_next_ = 1;  // of tables that were never written
  bool failed_ = false;
};

}  // namespace walden::testing
