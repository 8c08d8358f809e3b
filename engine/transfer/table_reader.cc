#include "engine/transfer/table_reader.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/big_endian.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/wait.h"

namespace walden {
namespace {

constexpr ReadLimits kStep = {.max_records = 1 << 16, .max_payload_bytes = 4 << 20};

// The damaged range that MakeError attached to a DATA_LOSS.
DamagedRange RangeOf(const absl::Status& data_loss) {
  DamagedRange range;
  range.reason = std::string(data_loss.message());
  const auto info = GetErrorInfo(data_loss);
  if (!info) return range;
  const auto number = [&](const char* key, uint64_t& to) {
    const auto found = info->metadata.find(key);
    if (found != info->metadata.end()) (void)absl::SimpleAtoi(found->second, &to);
  };
  if (const auto file = info->metadata.find("file"); file != info->metadata.end()) {
    range.file = file->second;
  }
  number("offset", range.offset);
  number("length", range.length);
  number("first_sequence", range.first);
  number("last_sequence", range.last);
  return range;
}

}  // namespace

absl::StatusOr<bool> TableReader::Next(absl::FunctionRef<void(const RecordView&)> visit) {
  while (true) {
    if (reader_ == nullptr) {
      auto reader =
          log_.NewReader({.table = table_, .first = next_, .pass_known_damage = skip_damaged_});
      if (!reader.ok()) return reader.status();
      reader_ = *std::move(reader);
    }
    const auto progress = NextAndWait(*reader_, kStep, [&](const RecordView& record) {
      next_ = record.sequence + 1;
      visit(record);
    });
    if (progress.ok()) return *progress == ReadProgress::kMore;
    if (!skip_damaged_ || !absl::IsDataLoss(progress.status())) return progress.status();
    const absl::Status passed = PassDamage(progress.status());
    if (!passed.ok()) return passed;
    if (next_ > kMaxSequenceNumber) return false;
  }
}

absl::Status TableReader::PassDamage(const absl::Status& data_loss) {
  DamagedRange range = RangeOf(data_loss);
  range.first = std::max({range.first, next_, SequenceNumber{1}});
  range.last = std::max(range.last, range.first);
  next_ = range.last >= kMaxSequenceNumber ? kMaxSequenceNumber + 1 : range.last + 1;
  damaged_.push_back(std::move(range));
  reader_ = nullptr;
  return absl::OkStatus();
}

void TableDigest::Add(SequenceNumber sequence, absl::string_view payload) {
  std::array<char, 16> head;
  PutU64(head.data(), sequence);
  PutU64(head.data() + 8, payload.size());
  crc = Crc32cExtend(crc, absl::string_view(head.data(), head.size()));
  crc = Crc32cExtend(crc, payload);
  ++records;
  bytes += payload.size();
  last = sequence;
}

std::string TableDigest::Shown() const {
  return absl::StrCat(records, records == 1 ? " record" : " records", " of ", bytes,
                      bytes == 1 ? " byte" : " bytes", " through number ", last);
}

}  // namespace walden
