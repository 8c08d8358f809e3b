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
    return std::move(finding_);
  }

 private:
  void Miss(Loss loss, const std::string& what) {
    if (loss <= finding_.loss) return;
    finding_ = {expected_.directory(), loss, what};
  }

  bool IsReported(SequenceNumber sequence) const {
    return std::any_of(report_.damaged.begin(), report_.damaged.end(), [&](const auto& range) {
      return range.first <= sequence && sequence <= range.last;
    });
  }

  void CheckTable(TableId id, const ExpectedTable& table) {
    const std::string name = absl::StrCat("table ", id);
    const auto whole = testing::ReadAll(log_, ReadRange{id});
    for (const StoredRecord& record : table.live) {
      const auto read = testing::ReadAll(log_, ReadRange{id, record.sequence, record.sequence});
      const bool is_last = table.last_group_first != 0 && record.sequence >= table.last_group_first;
      if (!read.ok()) continue;  // reported
      if (*read == std::vector<StoredRecord>{record}) continue;
      Miss(is_last && read->empty() ? kLastGroup : kMore,
           absl::StrCat(name, " record ", record.sequence,
                        read->empty() ? " is missing with OK" : " is another"));
    }
    if (whole.ok()) CheckWhole(name, table, *whole);
    const TablePosition position = log_.Position(id);
    if (position.deleted_through < table.mark && report_.damaged.empty()) {
      Miss(kMore, absl::StrCat(name, " is deleted through ", position.deleted_through, ", not ",
                               table.mark));
    }
    if (position.next <= table.highest) {
      const bool only_last = table.last_group_first != 0 && position.next > table.highest_before;
      Miss(only_last ? kLastGroup : kMore,
           absl::StrCat(name, " comes to ", position.next, ", it had come to ", table.highest + 1));
    }
  }

  void CheckWhole(const std::string& name, const ExpectedTable& table,
                  const std::vector<StoredRecord>& found) {
    if (found == table.live) return;
    std::vector<StoredRecord> but_last = table.live;
    while (table.last_group_first != 0 && !but_last.empty() &&
           but_last.back().sequence >= table.last_group_first) {
      but_last.pop_back();
    }
    Miss(found == but_last ? kLastGroup : kMore,
         absl::StrCat(name, ": a read of all of it is OK with ", found.size(), " records of ",
                      table.live.size()));
  }

  const ExpectedRegion& expected_;
  const RegionLog& log_;
  const OpeningReport report_;
  Finding finding_;
};

// Whether the harm is to something that only this region, or its whole namespace, stands on.
bool IsTouched(const ExpectedRegion& region, StoredEngine engine, const Harm& harm) {
  const std::string base = engine == StoredEngine::kSegment
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
    const AppendResult result = testing::CommitOne(*log, batch);
    if (!result.status.ok()) return result.status;
    ExpectedTable& table = region.tables[1];
    if (result.first <= table.highest) {
      *finding = {region.directory(), kMore, absl::StrCat("number ", result.first, " came back")};
      return absl::OkStatus();
    }
    table.highest = result.last;
    table.live.push_back({1, result.first, batch.payloads[0]});
  }
  absl::Status status = log->Close();
  log.reset();
  if (!status.ok()) return status;
  auto opened = engine.OpenRegion(region.id, options, /*create=*/false);
  if (!opened.ok()) return opened.status();
  *finding = RegionCheck(region, **opened).Run();
  if (finding->loss != kNothing) finding->what += " (after it was used again)";
  return absl::OkStatus();
}

void CheckRegion(ExpectedRegion region, StoredEngine kind, RecoveryPolicy policy, const Harm& harm,
                 LogEngine& engine, std::vector<Finding>& findings) {
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

std::vector<Finding> FindSilent(const Story& story, StoredEngine engine, RecoveryPolicy policy,
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
