// Reads the bytes of one RocksDB write-ahead log file (FORMAT.md), record by record. One thread at
// a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace walden::rocks {

inline constexpr uint64_t kWalBlockBytes = 32768;
inline constexpr uint64_t kWalHeaderBytes = 7;

// One write as RocksDB logged it.
struct WalRecord {
  uint64_t begin = 0;  // bytes of the file
  uint64_t end = 0;
  uint64_t first = 0;               // RocksDB's own number of its first entry
  uint32_t count = 0;               // of entries
  std::optional<uint64_t> durable;  // from Walden's note
  std::string batch;                // as rocksdb::WriteBatch takes it
};

enum class WalOutcome {
  kRecord,
  kEnd,     // clean
  kBroken,  // not a record: see broken()
};

struct WalBreak {
  uint64_t record_begin = 0;  // of the whole broken record; all before it is good
  uint64_t begin = 0;         // of the part of it that is not valid
  uint64_t end = 0;           // as its header says, or the end of its block; at most the file's
  bool cut_short = false;     // the file ends inside it
  const char* reason = "";
};

class WalParser {
 public:
  // `bytes` is the whole file and outlives the parser.
  explicit WalParser(absl::string_view bytes) : bytes_(bytes) {}

  // The next write of a write-ahead log.
  WalOutcome Next(WalRecord& record);
  // The next record of any file of this layout, such as a manifest. Sets only `begin`, `end` and
  // the bytes in `batch`.
  WalOutcome NextBytes(WalRecord& record);
  const WalBreak& broken() const { return broken_; }
  uint64_t position() const { return position_; }  // behind the last record

  // Goes on after the broken bytes, at the next place where a record begins. False if there is
  // none.
  bool SkipBroken();

 private:
  enum class Fragment { kFull, kFirst, kMiddle, kLast, kEnd, kBroken };
  Fragment NextFragment(absl::string_view* payload);
  Fragment Break(uint64_t begin, uint64_t end, const char* reason, bool cut_short);
  bool OnlyZerosFrom(uint64_t offset) const;
  // Whether a valid fragment that begins a record is at `offset`.
  bool RecordBeginsAt(uint64_t offset) const;

  const absl::string_view bytes_;
  uint64_t position_ = 0;
  uint64_t record_begin_ = 0;
  WalBreak broken_;
};

// Whether some sector under the broken bytes is all zeros where they cover it: then it was never
// written.
bool HasUnwrittenSector(absl::string_view bytes, const WalBreak& broken);

}  // namespace walden::rocks
