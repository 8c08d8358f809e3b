#include "tests/sweep/check.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/random.h"

namespace walden::sweep {
namespace {

using testing::StoredRecord;

std::string Show(const absl::Status& status) { return testing::ShowStatus(status); }

class RegionCheck {
 public:
  RegionCheck(const ExpectedRegion& expected, const RegionLog& log)
      : expected_(expected), log_(log), report_(log.Describe().opening) {}

  Finding Run() {
    for (const auto& [id, table] : expected_.tables) CheckTable(id, table);
    if (oldest_missing_ <= newest_there_) {
      Miss(kMore, missing_);
    } else if (oldest_missing_ != UINT64_MAX) {
      Miss(kEnd, missing_);
    }
    return std::move(finding_);
  }

 private:
  void Miss(Loss loss, const std::string& what) {
    if (loss <= finding_.loss) return;
    finding_ = {expected_.directory(), loss, what};
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
      newest_there_ = std::max(newest_there_, table.appends[i]);
      last = record.sequence;
      if (!read.ok()) continue;
      there.push_back(record);
      if (*read != std::vector<StoredRecord>{record}) {
        Miss(kMore, absl::StrCat(name, " record ", record.sequence, " is another"));
      }
    }
    CheckWhole(id, table, all_read, there);
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

  const ExpectedRegion& expected_;
  const RegionLog& log_;
  const OpeningReport report_;
  uint64_t newest_there_ = 0;             // append, of a record that is there or reported
  uint64_t oldest_missing_ = UINT64_MAX;  // append
  std::string missing_;
  Finding finding_;
};

// Whether the harm is to a file of this region or, with RocksDB, of its namespace.
bool IsTouched(const ExpectedRegion& region, DirectoryOwner engine, const Harm& harm) {
  const std::string base = engine == DirectoryOwner::kSegment
                               ? region.directory() + "/"
                               : absl::StrCat("/data/", region.space, "/");
  return absl::StartsWith(harm.path, base) || absl::StartsWith(harm.other, base);
}

// Appends until files were made anew, reopens, and reads it again.
absl::Status GoOn(LogEngine& engine, ExpectedRegion& region, std::unique_ptr<RegionLog> log,
                  const RegionOptions& options, Finding* finding) {
  testing::Random random(3);
  for (int i = 0; i < 4; ++i) {
    testing::Batch batch;
    batch.payloads = {random.NonZeroBytes(6000)};
    const testing::BatchResult result = testing::CommitOne(*log, batch);
    if (!result.status.ok()) return result.status;
    if (result.first <= region.tables[1].highest) {
      *finding = {region.directory(), kMore, absl::StrCat("number ", result.first, " came back")};
      return absl::OkStatus();
    }
    region.Append(1, result.first, batch.payloads);
  }
  absl::Status status = log->Close();
  log.reset();
  if (!status.ok()) return status;
  auto opened = engine.OpenRegion(region.id, options, /*create=*/false);
  if (!opened.ok()) return opened.status();
  *finding = RegionCheck(region, **opened).Run();
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
      findings.push_back({region.directory(), kMore, "not touched, but " + Show(status)});
  };
  auto log = engine.OpenRegion(region.id, options, /*create=*/false);
  if (absl::IsNotFound(log.status())) {
    findings.push_back({region.directory(), kMore, "is as if it had never been"});
  }
  if (!log.ok()) return unmoved(log.status());
  Finding finding = RegionCheck(region, **log).Run();
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
    auto opened = OpenedSpace::Open(disk, engine, space);
    const std::string base = absl::StrCat("/data/", space, "/");
    if (!opened.ok()) {
      const bool touched = absl::StartsWith(harm.path, base) || absl::StartsWith(harm.other, base);
      if (!touched) findings.push_back({base, kMore, "not touched, but " + Show(opened.status())});
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
