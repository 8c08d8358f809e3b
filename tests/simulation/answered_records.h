// The records that a region has answered, by their numbers. A reopened region must agree with them,
// also after bytes of it were damaged:
//
// - A record that was answered as durable is read as it was, or it is marked deleted, or the region
//   was damaged where the record lay and the opening report names its number.
// - A record that was answered without "durable" may be gone after a power cut or a failed call.
//   Then all records after it that were not durable are gone too, unless bytes were ever damaged.
// - A record that a region has shown is durable from then on.
// - A number that was answered is never assigned again. A mark never goes back.
// - No other record is read, except those of batches that were not answered, or whose error says that
//   they may be stored. Of these the first ones are there, up to some batch.
// - The records of a batch are there together or lost together, in all its tables. Damage that the
//   opening report names may take some of them.
// - A read of all tables shows the same as reads of each table.
//
// One thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/log_engine.h"
#include "tests/support/log_verbs.h"

namespace walden::testing {

class AnsweredRecords {
 public:
  // The events since the region was last opened.
  struct Events {
    bool lost_power = false;
    bool opening_was_cut = false;  // and what it reported is lost
    bool call_failed = false;
    bool harmed = false;
    // The harm may have cost the record with this payload.
    std::function<bool(const std::string& payload)> may_have_cost;
    // Harm to a group with a sector of zeros may look like a torn tail: records that nothing
    // durable and written later proves durable may be gone without being named, and their numbers
    // given again.
    bool harm_may_look_torn = false;
  };

  // Tables 1 to `tables` are used.
  explicit AnsweredRecords(TableId tables) : tables_(tables) {}

  // A group of batches was answered, all of it written and synced at once. Batches may go to several
  // tables. `durable_before`: durable_through() when it was begun.
  absl::Status Answered(const std::vector<Batch>& group, const std::vector<BatchResult>& results,
                        SequenceNumber durable_before);
  // It was begun after everything else, and will never be answered.
  void NeverAnswered(const std::vector<Batch>& group);
  // The highest number that was said to be durable.
  SequenceNumber durable_through() const { return durable_through_; }
  // Notes that Sync or Close was answered.
  void EverythingIsDurable();
  void Marked(TableId table, SequenceNumber through);

  // Afterwards it holds what was found.
  absl::Status CompareReopened(const RegionLog& log, const Events& events);

 private:
  struct AnsweredRecord {
    TableId table = 0;
    std::string payload;
    SequenceNumber batch = 0;  // the number of its first record
    bool durable = false;
    bool damaged = false;  // named by an opening report
    bool proven = false;   // a group that is durable too was written after it had become durable
  };
  using Found = std::map<SequenceNumber, StoredRecord>;

  absl::StatusOr<Found> ReadTables(const RegionLog& log) const;
  absl::Status CheckMarks(const RegionLog& log);
  absl::Status CheckFound(const Found& found);
  absl::Status CheckUnanswered(const Found& found) const;
  bool IsUnanswered(const StoredRecord& record) const;
  absl::Status CheckMissing(const Found& found, const RegionLog& log, const Events& events);
  absl::Status CheckLost(SequenceNumber number, const AnsweredRecord& record, bool may_look_torn,
                         const Events& events) const;

  const TableId tables_;
  std::map<SequenceNumber, AnsweredRecord> records_;
  struct Unanswered {
    Batch batch;
    bool is_accepted = false;  // if it is missing, so is what was begun after it
  };
  std::vector<Unanswered> unanswered_;  // may be stored; in the order in which they were begun
  std::map<TableId, SequenceNumber> marks_;
  SequenceNumber highest_answered_ = 0;
  SequenceNumber durable_through_ = 0;
  bool ever_harmed_ = false;
  bool has_failed_ = false;  // since the region was opened
};

}  // namespace walden::testing
