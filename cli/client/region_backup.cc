#include "cli/client/region_backup.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/checksum.h"
#include "cli/client/admin_pages.h"
#include "cli/client/recovery_check.h"
#include "cli/client/response_stream.h"
#include "cli/console/failure.h"
#include "cli/reports/region_inspection.h"

namespace walden::cli {
namespace {

// A round takes as long as copying what came during the one before it.
constexpr int kMaxRounds = 10;

SequenceNumber MarkOf(const backup::Cut& cut, TableId table) {
  const auto found =
      std::lower_bound(cut.tables.begin(), cut.tables.end(), table,
                       [](const TableState& state, TableId id) { return state.table < id; });
  return found != cut.tables.end() && found->table == table ? found->deleted_through : 0;
}

// Whether a mark of `cut` has risen until `later`.
bool MarksRose(const backup::Cut& cut, const backup::Cut& later) {
  return std::any_of(cut.tables.begin(), cut.tables.end(), [&](const TableState& table) {
    return MarkOf(later, table.table) > table.deleted_through;
  });
}

constexpr absl::string_view kWhatHappened =
    " (was the region dropped and made again, or did a power cut take BUFFERED records?). ";

absl::Status WrongBackup(TableId table, absl::string_view message) {
  return Failure(absl::StatusCode::kFailedPrecondition, "WRONG_BACKUP", message,
                 {{"table_id", absl::StrCat(table)}});
}

absl::Status AllIsDamaged(const v1::DamagedRange& range) {
  return Failure(
      absl::StatusCode::kDataLoss, "CORRUPTION",
      absl::StrCat("nothing is left of the region: ", range.file(), " at byte ", range.offset(),
                   ", ", range.length(), " bytes (", range.description(), ")"),
      {{"file", range.file()},
       {"offset", absl::StrCat(range.offset())},
       {"length", absl::StrCat(range.length())},
       {"first_sequence", absl::StrCat(range.first_sequence())},
       {"last_sequence", absl::StrCat(range.last_sequence())}});
}

DamagedRange RangeOf(const absl::Status& data_loss) {
  DamagedRange range;
  range.reason = std::string(data_loss.message());
  const auto info = ErrorInfoOf(data_loss);
  if (!info.has_value()) return range;
  const auto text = [&](const char* key) {
    const auto found = info->metadata().find(key);
    return found == info->metadata().end() ? std::string() : found->second;
  };
  range.file = text("file");
  // A number that is missing stays 0, unknown.
  (void)absl::SimpleAtoi(text("offset"), &range.offset);
  (void)absl::SimpleAtoi(text("length"), &range.length);
  (void)absl::SimpleAtoi(text("first_sequence"), &range.first);
  (void)absl::SimpleAtoi(text("last_sequence"), &range.last);
  return range;
}

}  // namespace

absl::StatusOr<backup::Cut> RegionBackup::Run() {
  auto taken = TakeCut();
  if (!taken.ok()) return taken.status();
  backup::Cut cut = *std::move(taken);
  for (int round = 1;; ++round) {
    absl::Status copied = FromEngine(writer_.CheckContinues(cut));
    if (copied.ok()) copied = CopyTables(cut);
    if (!copied.ok()) return copied;
    first_round_ = false;
    auto later = TakeCut();
    if (!later.ok()) return later.status();
    absl::Status whole = CheckWhole(cut, *later);
    if (!whole.ok()) return whole;
    if (!MarksRose(cut, *later)) break;
    if (round < kMaxRounds) {
      cut = *std::move(later);
      continue;
    }
    cut.exact = false;
    for (TableState& table : cut.tables) {
      table.deleted_through = std::min(MarkOf(*later, table.table), table.next - 1);
    }
    break;
  }
  cut.damage = damage_;
  return cut;
}

absl::StatusOr<backup::Cut> RegionBackup::TakeCut() {
  const absl::Time now = absl::Now();
  const auto state = ReadState();
  if (!state.ok()) return state.status();
  backup::Cut cut{.engine = state->engine(),
                  .taken_at = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", now, absl::UTCTimeZone()),
                  .region_version = state->region_version()};
  is_damaged_ = state->opening().damaged_ranges_size() > 0;
  // No table is left that could tell.
  if (is_damaged_ && state->tables_size() == 0) {
    return AllIsDamaged(state->opening().damaged_ranges(0));
  }
  for (const v1::TableState& table : state->tables()) {
    cut.tables.push_back(
        {.table = table.table_id(),
         .next = table.position().next_sequence(),
         .deleted_through = table.position().deleted_through(),
         .first_live = table.last_live_sequence() == 0 ? 0 : table.position().first_live_sequence(),
         .last_live = table.last_live_sequence(),
         .kind = table.kind() == v1::TABLE_KIND_ENTRIES ? TableKind::kEntries : TableKind::kLog});
  }
  return cut;
}

// Recover's state is that of one moment. Between two pages of DescribeRegion a batch over several
// tables may come.
absl::StatusOr<v1::RegionState> RegionBackup::ReadState() {
  v1::RecoverRequest request;
  request.set_namespace_id(options_.namespace_id);
  request.set_region_id(options_.region);
  request.set_max_message_bytes(kMaxMessageBytes);
  request.set_state_only(true);
  v1::RegionState state;
  RecoveryCheck check;
  absl::Status streamed = RunStream<v1::RecoverResponse>(
      connection_,
      [&](grpc::ClientContext* context) { return connection_.wal().Recover(context, request); },
      [&](const v1::RecoverResponse& message) {
        state.MergeFrom(message.state());
        return check.Take(message);
      });
  if (streamed.ok()) streamed = check.Finish();
  // To Recover a region that does not exist is an empty one.
  if (streamed.ok() && state.tables().empty()) {
    streamed = CheckRegionExists(connection_, options_.namespace_id, options_.region);
  }
  if (!streamed.ok()) return streamed;
  return state;
}

absl::Status RegionBackup::CopyTables(const backup::Cut& cut) {
  for (const TableState& table : cut.tables) {
    absl::Status copied = CopyTable(table);
    if (!copied.ok()) return WithContext(copied, absl::StrCat("table ", table.table, ": "));
  }
  return absl::OkStatus();
}

absl::Status RegionBackup::CopyTable(const TableState& table) {
  // Records that an unfinished run added are read again where it may have passed over damage: only
  // then the damage is named.
  const backup::RegionWriter::Copied have = options_.skip_damaged && first_round_
                                                ? writer_.FinishedOf(table.table)
                                                : writer_.CopiedOf(table.table);
  const SequenceNumber passed = passed_[table.table];
  const bool has_new = table.last_live > std::max(have.through, passed);
  // The last record that is here is read again: it must be the same one.
  expected_ = {};
  if (have.through > table.deleted_through && have.through > passed) expected_ = have;
  // Where the region is damaged only the stream tells whether records are missing behind the last.
  if (!has_new && !is_damaged_ && (expected_.through == 0 || !first_round_)) {
    return absl::OkStatus();
  }
  SequenceNumber from = expected_.through;
  if (from == 0) from = std::max({have.through, passed, table.deleted_through}) + 1;
  while (from < table.next) {
    absl::Status streamed = Stream(table, from);
    if (streamed.ok()) return CheckSameLog(table);
    // Records that were marked deleted meanwhile need not be copied. The others follow.
    if (HasReason(streamed, "RECORDS_GONE")) continue;
    if (!absl::IsDataLoss(streamed) || !options_.skip_damaged) return streamed;
    absl::Status passed_over = PassDamage(table, streamed, from);
    if (!passed_over.ok()) return passed_over;
  }
  return absl::OkStatus();
}

absl::Status RegionBackup::Stream(const TableState& table, SequenceNumber from) {
  v1::RecoverRequest request;
  request.set_namespace_id(options_.namespace_id);
  request.set_region_id(options_.region);
  request.set_table_id(table.table);
  request.set_start_sequence(from);
  request.set_max_message_bytes(kMaxMessageBytes);
  RecoveryCheck check;
  absl::Status streamed = RunStream<v1::RecoverResponse>(
      connection_,
      [&](grpc::ClientContext* context) { return connection_.wal().Recover(context, request); },
      [&](const v1::RecoverResponse& message) {
        absl::Status taken = check.Take(message);
        if (taken.ok() && !message.records().empty()) taken = TakeRecords(table, message);
        return taken;
      });
  return streamed.ok() ? check.Finish() : streamed;
}

absl::Status RegionBackup::TakeRecords(const TableState& table,
                                       const v1::RecoverResponse& message) {
  const SequenceNumber copied = writer_.CopiedOf(table.table).through;
  views_.clear();
  for (const v1::TableLogRecord& record : message.records()) {
    const SequenceNumber sequence = record.sequence();
    if (record.table_id() != table.table) {
      return Failure(absl::StatusCode::kInternal, kReasonProtocol,
                     absl::StrCat("a record of table ", record.table_id(), " came"));
    }
    if (sequence == expected_.through) {
      if (Crc32c(record.payload()) != expected_.crc) {
        return OtherLog(table, absl::StrCat("record ", sequence, " has other bytes there"));
      }
      expected_ = {};
    }
    // Records after the cut are left to the next one. A number below the table's next may have been
    // given to a batch that was not stored yet.
    if (sequence <= copied || sequence > table.last_live) continue;
    views_.push_back({.table = table.table, .sequence = sequence, .payload = record.payload()});
  }
  absl::Status added = FromEngine(writer_.Add(views_));
  progress_();
  return added;
}

// After the stream: the record that had to come has come, or was marked deleted meanwhile.
absl::Status RegionBackup::CheckSameLog(const TableState& table) {
  if (expected_.through == 0) return absl::OkStatus();
  const SequenceNumber through = std::exchange(expected_, {}).through;
  const auto now = TakeCut();
  if (!now.ok()) return now.status();
  if (MarkOf(*now, table.table) >= through) return absl::OkStatus();
  return OtherLog(table, absl::StrCat("record ", through, " is not there"));
}

// Each record that is live in the cut was copied, passed over as damage, or marked deleted meanwhile.
// Otherwise the region was another one before the last table was copied.
absl::Status RegionBackup::CheckWhole(const backup::Cut& cut, const backup::Cut& later) const {
  absl::Status continues = FromEngine(writer_.CheckContinues(later));
  if (!continues.ok()) return continues;
  for (const TableState& table : cut.tables) {
    const auto passed = passed_.find(table.table);
    const SequenceNumber through =
        std::max({writer_.CopiedOf(table.table).through, MarkOf(later, table.table),
                  passed == passed_.end() ? 0 : passed->second});
    if (through >= table.last_live) continue;
    // Nothing that is here is known to be of another log: the next run finds out.
    return WrongBackup(
        table.table,
        absl::StrCat("record ", table.last_live, " of table ", table.table,
                     " was there when this backup began, and is not any more", kWhatHappened,
                     "Run the same command again: it goes on if this "
                     "is still the log that the backup is of"));
  }
  return absl::OkStatus();
}

absl::Status RegionBackup::OtherLog(const TableState& table, absl::string_view what) const {
  return WrongBackup(table.table, absl::StrCat("the backup is of another log: ", what,
                                               kWhatHappened, "Back up into another directory"));
}

// Notes the damage and moves `from` behind it.
absl::Status RegionBackup::PassDamage(const TableState& table, const absl::Status& data_loss,
                                      SequenceNumber& from) {
  DamagedRange range = RangeOf(data_loss);
  range.last = std::min(range.last, table.next - 1);
  // Without numbers it is the region as a whole.
  if (range.last < from) return data_loss;
  range.first = std::max(range.first, from == expected_.through ? from + 1 : from);
  expected_ = {};
  from = range.last + 1;
  passed_[table.table] = range.last;
  if (range.first <= range.last) damage_.push_back({table.table, std::move(range)});
  return absl::OkStatus();
}

}  // namespace walden::cli
