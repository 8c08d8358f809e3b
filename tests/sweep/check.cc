#include "tests/sweep/check.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/wait.h"
#include "tests/support/random.h"

namespace walden::sweep {
namespace {

using testing::StoredRecord;

std::string Show(const absl::Status& status) { return testing::ShowStatus(status); }

class RegionCheck {
 public:
  RegionCheck(const ExpectedRegion& expected, bool is_sound, const RegionLog& log)
      : expected_(expected), is_sound_(is_sound), log_(log), report_(log.Describe().opening) {}

  Finding Run() {
    for (const auto& [id, table] : expected_.tables) CheckTable(id, table);
    CheckWhatVerifyFinds();
    if (oldest_missing_ <= newest_there_) {
      Miss(kMore, missing_);
    } else if (oldest_missing_ != UINT64_MAX) {
      Miss(kEnd, missing_);
    }
    finding_.oldest_missing = oldest_missing_;
    return std::move(finding_);
  }

 private:
  void Miss(Loss loss, const std::string& what) {
    if (loss <= finding_.loss) return;
    finding_ = {.region = expected_.directory(), .loss = loss, .what = what};
  }

  void MissAppend(uint64_t append, const std::string& what) {
    if (append >= oldest_missing_) return;
    oldest_missing_ = append;
    missing_ = what;
  }

  void CheckTable(TableId id, const ExpectedTable& table) {
    const std::string name = absl::StrCat("table ", id);
    const TablePosition position = log_.Position(id);
    const bool mark_is_there = position.deleted_through >= table.mark || !report_.damaged.empty();
    if (!mark_is_there) {
      MissAppend(table.append_after_mark,
                 absl::StrCat(name, " is deleted through ", position.deleted_through, ", not ",
                              table.mark));
    }
    bool end_is_there = mark_is_there;
    bool all_read = true;
    SequenceNumber last = position.deleted_through;
    std::vector<StoredRecord> there;
    std::vector<size_t> shown;  // records that are there or reported
    for (size_t i = 0; i < table.live.size(); ++i) {
      const StoredRecord& record = table.live[i];
      const auto read = testing::ReadAll(log_, ReadRange{id, record.sequence, record.sequence});
      end_is_there = !read.ok() || !read->empty();
      all_read &= read.ok();
      if (!end_is_there) {
        MissAppend(table.appends[i],
                   absl::StrCat(name, " record ", record.sequence, " is missing with OK"));
        continue;
      }
      shown.push_back(i);
      newest_there_ = std::max(newest_there_, table.appends[i]);
      last = record.sequence;
      if (!read.ok()) {
        is_damaged_ |= absl::IsDataLoss(read.status());
        continue;
      }
      there.push_back(record);
      if (*read != std::vector<StoredRecord>{record}) {
        Miss(kMore, absl::StrCat(name, " record ", record.sequence, " is another"));
      }
    }
    CheckWhole(id, table, all_read, there);
    CheckTimes(id, table, shown);
    // The number of a record that is missing may be missing too, but not of one before it.
    if (position.next <= (end_is_there ? table.highest : last)) {
      Miss(kMore,
           absl::StrCat(name, " comes to ", position.next, ", it had come to ", table.highest + 1));
    }
  }

  void CheckWhole(TableId id, const ExpectedTable& table, bool all_read,
                  const std::vector<StoredRecord>& there) {
    auto whole = testing::ReadAll(log_, ReadRange{id});
    if (!whole.ok()) return;
    // The mark itself was checked before.
    std::erase_if(*whole,
                  [&](const StoredRecord& record) { return record.sequence <= table.mark; });
    if (all_read && *whole == there) return;
    Miss(kMore, absl::StrCat("table ", id, ": a read of all of it is OK with ", whole->size(),
                             " records of ", table.live.size()));
  }

  // A seek by time passes over no record that is not older.
  void CheckTimes(TableId id, const ExpectedTable& table, const std::vector<size_t>& shown) {
    for (size_t k = 0; k < shown.size(); k += std::max<size_t>(1, shown.size() / 4)) {
      const int64_t micros = table.times[shown[k]];
      const absl::Time time = absl::FromUnixMicros(micros);
      const auto first = log_.FirstSince(id, time);
      if (first.ok()) CheckNoneSkipped(id, table, shown, micros, *first, "a seek");
      const auto plan = log_.PlanRetention({.age = absl::Seconds(1)}, time + absl::Seconds(1));
      if (!plan.ok()) continue;
      for (const TableMark& mark : plan->marks) {
        if (mark.table == id)
          CheckNoneSkipped(id, table, shown, micros, mark.through + 1, "retention");
      }
    }
  }

  void CheckNoneSkipped(TableId id, const ExpectedTable& table, const std::vector<size_t>& shown,
                        int64_t micros, SequenceNumber first, const char* what) {
    for (const size_t i : shown) {
      const SequenceNumber number = table.live[i].sequence;
      if (table.times[i] < micros || number >= first) continue;
      Miss(kMore, absl::StrCat("table ", id, ": ", what, " since ", micros, " leads to ", first,
                               " and skips ", number, " of ", table.times[i]));
    }
  }

  void CheckWhatVerifyFinds() {
    bool found = false;
    const absl::Status status = log_.Verify([&](const VerifyProgress& progress) {
      found |= !progress.findings.empty();
      return true;
    });
    if (is_damaged_ && status.ok() && !found) Miss(kMore, "records are damaged, verify is content");
    if (is_sound_ && found) Miss(kMore, "nothing is damaged, but verify finds something");
  }

  const ExpectedRegion& expected_;
  const bool is_sound_;  // no file of it was touched
  const RegionLog& log_;
  const OpeningReport report_;
  uint64_t newest_there_ = 0;             // append, of a record that is there or reported
  uint64_t oldest_missing_ = UINT64_MAX;  // append
  std::string missing_;
  bool is_damaged_ = false;  // some record is DATA_LOSS
  Finding finding_;
};

// Whether the harm is to a file of this region or, with RocksDB, of its namespace.
bool IsTouched(const ExpectedRegion& region, DirectoryOwner engine, const Harm& harm) {
  const std::string base = engine == DirectoryOwner::kSegment
                               ? region.directory() + "/"
                               : absl::StrCat("/data/", region.space, "/");
  return absl::StartsWith(harm.path, base) || absl::StartsWith(harm.other, base);
}

// Retries every batch of the region's producer: none is stored twice. A sound region knows them all.
void CheckRetries(RegionLog& log, const ExpectedRegion& region, bool is_sound, Finding* finding) {
  for (const SentBatch& sent : region.sent) {
    const testing::BatchResult retry = testing::CommitOne(log, sent.batch);
    const std::string name = absl::StrCat("batch ", sent.batch.producer->sequence);
    std::string wrong;
    if (!retry.status.ok()) {
      if (!is_sound) continue;
      wrong = absl::StrCat("a retry of ", name, " is answered with ", Show(retry.status));
    } else if (!retry.duplicate && sent.append < finding->oldest_missing) {
      wrong = name + " is stored twice";
    } else if (retry.duplicate && testing::NumbersOf(sent.batch, retry) !=
                                      testing::NumbersOf(sent.batch, sent.answer)) {
      wrong = "a retry of " + name + " is answered with other numbers";
    } else {
      continue;
    }
    *finding = {.region = region.directory(), .loss = kMore, .what = wrong};
    return;
  }
}

// A batch that lost its end with OK in one table is not there in another one.
void CheckWholeBatches(const RegionLog& log, const ExpectedRegion& region, Finding* finding) {
  for (const SentBatch& sent : region.sent) {
    size_t there = 0;
    size_t missing = 0;
    const std::vector<testing::BatchPart> parts = testing::PartsOf(sent.batch);
    const std::vector<testing::PartResult> numbers = testing::NumbersOf(sent.batch, sent.answer);
    for (size_t k = 0; k < parts.size(); ++k) {
      const auto& [first, last] = numbers[k];
      if (last <= region.tables.at(parts[k].table).mark) continue;
      const auto read = testing::ReadAll(log, ReadRange{parts[k].table, last, last});
      if (read.ok()) ++(read->empty() ? missing : there);
    }
    if (there == 0 || missing == 0) continue;
    *finding = {.region = region.directory(),
                .loss = kMore,
                .what = absl::StrCat("batch ", sent.batch.producer->sequence, " is there in part")};
    return;
  }
}

// Appends until files were made anew, reopens, and reads it again.
absl::Status GoOn(LogEngine& engine, ExpectedRegion& region, std::unique_ptr<RegionLog> log,
                  const RegionOptions& options, Finding* finding) {
  testing::Random random(3);
  for (int i = 0; i < 4; ++i) {
    testing::Batch batch;
    batch.payloads = {random.NonZeroBytes(6000)};
    const int64_t unix_micros = WallClock::Real()->UnixMicros();
    const testing::BatchResult result = testing::CommitOne(*log, batch);
    if (!result.status.ok()) return result.status;
    if (result.first <= region.tables[1].highest) {
      *finding = {.region = region.directory(),
                  .loss = kMore,
                  .what = absl::StrCat("number ", result.first, " came back")};
      return absl::OkStatus();
    }
    region.Append(batch, result, unix_micros);
  }
  absl::Status status = CloseAndWait(*log);
  log.reset();
  if (!status.ok()) return status;
  auto opened = OpenRegionAndWait(engine, region.id, options, /*create=*/false);
  if (!opened.ok()) return opened.status();
  *finding = RegionCheck(region, /*is_sound=*/false, **opened).Run();
  if (finding->loss == kNothing) return absl::OkStatus();
  finding->loss = kMore;
  finding->what += " (after it was used again)";
  return absl::OkStatus();
}

void CheckRegion(ExpectedRegion region, DirectoryOwner kind, RecoveryPolicy policy,
                 const Harm& harm, LogEngine& engine, std::vector<Finding>& findings) {
  const bool touched = IsTouched(region, kind, harm);
  const RegionOptions options = OptionsWith(policy);
  const auto unmoved = [&](const absl::Status& status) {
    if (!touched)
      findings.push_back({.region = region.directory(),
                          .loss = kMore,
                          .what = "not touched, but " + Show(status)});
  };
  auto log = OpenRegionAndWait(engine, region.id, options, /*create=*/false);
  if (absl::IsNotFound(log.status())) {
    findings.push_back(
        {.region = region.directory(), .loss = kMore, .what = "is as if it had never been"});
  }
  if (!log.ok()) return unmoved(log.status());
  Finding finding = RegionCheck(region, !touched, **log).Run();
  if (finding.loss != kMore) CheckWholeBatches(**log, region, &finding);
  if (finding.loss != kMore) CheckRetries(**log, region, !touched, &finding);
  if (finding.loss == kNothing) {
    const bool clean = (*log)->Describe().opening.outcome == OpeningReport::Outcome::kClean;
    if (!clean && policy == RecoveryPolicy::kQuarantine) return;
    const absl::Status status = GoOn(engine, region, *std::move(log), options, &finding);
    if (!status.ok()) return unmoved(status);
  }
  if (finding.loss != kNothing) findings.push_back(std::move(finding));
}

}  // namespace

std::vector<Finding> FindSilent(const Story& story, DirectoryOwner engine, RecoveryPolicy policy,
                                const Harm& harm, testing::FaultFileSystem& disk) {
  std::vector<Finding> findings;
  for (const char* space : kSpaces) {
    auto opened = OpenedSpace::Open(disk, engine, space, WallClock::Real());
    const std::string base = absl::StrCat("/data/", space, "/");
    if (!opened.ok()) {
      const bool touched = absl::StartsWith(harm.path, base) || absl::StartsWith(harm.other, base);
      if (!touched) {
        findings.push_back(
            {.region = base, .loss = kMore, .what = "not touched, but " + Show(opened.status())});
      }
      continue;
    }
    for (const ExpectedRegion& region : story.regions) {
      if (region.space != space) continue;
      CheckRegion(region, engine, policy, harm, (*opened)->engine(), findings);
    }
  }
  return findings;
}

}  // namespace walden::sweep
