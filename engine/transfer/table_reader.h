// Reads the live records of one table front to back. Can pass over damage. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engine/log_engine.h"

namespace walden {

class TableReader {
 public:
  // Reads from number `first` on; 0 begins at the first live record. `log` outlives the reader.
  // `skip_damaged`: damage is passed over and noted; otherwise damage is DATA_LOSS.
  TableReader(const ReadableLog& log, TableId table, SequenceNumber first, bool skip_damaged)
      : log_(log), table_(table), next_(first), skip_damaged_(skip_damaged) {}

  // Visits up to a few MiB of records; false once there are no more. The payloads are valid only
  // inside the visit. Errors as LogReader::Next.
  absl::StatusOr<bool> Next(absl::FunctionRef<void(const RecordView&)> visit);

  // Damage that was passed over so far, without that in the region's OpeningReport.
  const std::vector<DamagedRange>& damaged() const { return damaged_; }

 private:
  absl::Status PassDamage(const absl::Status& data_loss);

  const ReadableLog& log_;
  const TableId table_;
  SequenceNumber next_;
  const bool skip_damaged_;
  std::unique_ptr<LogReader> reader_;
  std::vector<DamagedRange> damaged_;
};

// A digest of a table's live records: equal for equal payloads with equal sequence numbers.
struct TableDigest {
  uint64_t records = 0;
  uint64_t bytes = 0;  // of payloads
  SequenceNumber last = 0;
  uint32_t crc = 0;

  void Add(SequenceNumber sequence, absl::string_view payload);
  std::string Shown() const;  // "3 records of 120 bytes through number 7"
  bool operator==(const TableDigest&) const = default;
};

}  // namespace walden
