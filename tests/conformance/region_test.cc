// Regions: several at once, opening again, dropping, verifying, the lock.
#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class RegionTest : public LogTest {
 protected:
  void AppendMoreThanVerifyChecksBetweenTwoReports() {
    set_segment_size(8 << 20);
    ReopenLog();
    for (int i = 0; i < 24; ++i) {
      ASSERT_STATUS_OK(Try({.table = 1, .payloads = {std::string(256 << 10, 'x')}}).status);
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, RegionTest, ::testing::ValuesIn(AllSettings()), SettingName);

TEST_P(RegionTest, PagesOfAnySizeMakeUpTheDescription) {
  for (TableId table = 1; table <= 7; ++table) Append(table, 3);
  for (int i = 0; i < 5; ++i) Append(3, 2);
  MarkDeleted(2, 3);
  const RegionDescription whole = log().Describe();
  ASSERT_EQ(whole.tables.size(), 7u);
  for (size_t limit = 1; limit <= 20; ++limit) {
    SCOPED_TRACE(limit);
    RegionDescription together;
    std::optional<DescribeCursor> from = DescribeCursor{};
    while (from.has_value()) {
      RegionPage page = log().DescribePage(*from, limit);
      size_t items = page.description.tables.size() + page.description.opening.damaged.size();
      for (const SegmentDescription& segment : page.description.segments) {
        items += std::max<size_t>(segment.tables.size(), 1);
      }
      ASSERT_LE(items, limit);
      ASSERT_TRUE(!page.next.has_value() || *page.next != *from) << "no progress";
      from = page.next;
      AddPage(std::move(page), together);
    }
    ASSERT_EQ(together.tables.size(), whole.tables.size());
    for (size_t i = 0; i < whole.tables.size(); ++i) {
      EXPECT_EQ(together.tables[i].table, whole.tables[i].table);
      EXPECT_EQ(together.tables[i].next, whole.tables[i].next);
      EXPECT_EQ(together.tables[i].first_live, whole.tables[i].first_live);
      EXPECT_EQ(together.tables[i].last_live, whole.tables[i].last_live);
    }
    ASSERT_EQ(together.segments.size(), whole.segments.size());
    for (size_t i = 0; i < whole.segments.size(); ++i) {
      EXPECT_EQ(together.segments[i].id, whole.segments[i].id);
      EXPECT_EQ(together.segments[i].tables.size(), whole.segments[i].tables.size());
    }
    EXPECT_EQ(together.allocated_bytes, whole.allocated_bytes);
  }
  const RegionDescription summary = log().Summary();
  EXPECT_TRUE(summary.tables.empty());
  EXPECT_TRUE(summary.segments.empty());
  EXPECT_EQ(summary.allocated_bytes, whole.allocated_bytes);
}

TEST_P(RegionTest, ANewRegionIsEmptyAndListed) {
  const RegionDescription description = log().Describe();
  EXPECT_TRUE(description.tables.empty());
  EXPECT_EQ(description.opening.outcome, OpeningReport::Outcome::kClean);
  EXPECT_EQ(description.region_version, 0u);
  const auto records = ReadAll(log(), ReadRange{});
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_TRUE(records->empty());
  EXPECT_FALSE(log().HasUnsynced());
  ASSERT_STATUS_OK(log().Health());
  EXPECT_EQ(*engine().ListRegions(), std::vector<RegionId>{kRegion});
}

TEST_P(RegionTest, AnEmptyRegionCanBeReopened) {
  RestartEngine();
  ExpectLogHoldsLedger();
  Append(1, 1);
  ExpectLogHoldsLedger();
}

TEST_P(RegionTest, ReopeningWithDataFindsAllOfIt) {
  for (int round = 0; round < 5; ++round) {
    for (TableId table = 1; table <= 3; ++table) Append(table, 4);
    Append(2, 2, Durability::kBuffered);
    RestartEngine();
    ExpectLogHoldsLedger();
    EXPECT_EQ(log().Describe().opening.outcome, OpeningReport::Outcome::kClean);
  }
}

TEST_P(RegionTest, ReopeningAfterEverythingWasDeletedRemembersTheNumbers) {
  for (TableId table = 1; table <= 3; ++table) Append(table, 4);
  for (TableId table = 1; table <= 3; ++table) MarkDeleted(table, kMaxSequenceNumber);
  for (int round = 0; round < 3; ++round) {
    RestartEngine();
    ExpectLogHoldsLedger();
  }
  Append(1, 1);
  ExpectLogHoldsLedger();
}

TEST_P(RegionTest, ARegionThatWasNotClosedIsReopenedWithEverythingWritten) {
  Append(1, 4);
  MarkDeleted(1, 2);
  Append(2, 3, Durability::kBuffered);
  StopEngine();
  OpenEngine();
  OpenLog();
  ExpectLogHoldsLedger();
}

TEST_P(RegionTest, OpeningAgainAndAgainWithoutWritesChangesNothing) {
  Append(1, 4);
  RestartEngine();
  const uint64_t allocated = log().Describe().allocated_bytes;
  for (int i = 0; i < 20; ++i) RestartEngine();
  EXPECT_LE(log().Describe().allocated_bytes, allocated);
  ExpectLogHoldsLedger();
}

TEST_P(RegionTest, ARegionOfAThousandTablesIsRecovered) {
  std::vector<Batch> group(1000);
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < group.size(); ++i) {
      group[i].table = i * 1000003;
      group[i].payloads = {Payload(i)};
    }
    const auto results = CommitGroup(log(), group);
    for (size_t i = 0; i < group.size(); ++i) {
      ASSERT_STATUS_OK(results[i].status);
      ledger().Appended(group[i].table, results[i], group[i].payloads);
    }
  }
  for (size_t i = 0; i < group.size(); i += 3) {
    ledger().MarkedDeleted(group[i].table, ledger().Live(group[i].table)[i % 2].sequence);
    ASSERT_TRUE(
        MarkTableAndWait(log(), group[i].table, ledger().Mark(group[i].table), std::nullopt).ok());
    if (GetParam().medium == Medium::kRealFiles) i += 30;
  }
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(RegionTest, SeveralRegionsAreWrittenInParallel) {
  constexpr int kRegions = 4;
  std::vector<std::unique_ptr<RegionLog>> logs;
  std::vector<Ledger> ledgers(kRegions);
  for (RegionId region = 0; region < kRegions; ++region) {
    auto opened = OpenOwned(engine(), 100 + region, options(), /*create=*/true);
    ASSERT_TRUE(opened.ok()) << opened.status();
    logs.push_back(std::move(*opened));
  }
  std::vector<std::thread> writers;
  for (int i = 0; i < kRegions; ++i) {
    writers.emplace_back([this, i, &logs, &ledgers] {
      for (int round = 0; round < 40; ++round) {
        Batch batch;
        batch.table = round % 3;
        batch.payloads = {Payload(i * 1000 + round), Payload(round)};
        batch.durability = round % 4 == 0 ? Durability::kSync : Durability::kBuffered;
        const BatchResult result = CommitOne(*logs[i], batch);
        EXPECT_TRUE(result.status.ok()) << result.status;
        if (result.status.ok()) ledgers[i].Appended(batch.table, result, batch.payloads);
      }
      const auto mark = MarkTableAndWait(*logs[i], 1, 20 + i, std::nullopt);
      EXPECT_TRUE(mark.ok()) << mark.status();
      if (mark.ok()) ledgers[i].MarkedDeleted(1, *mark);
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (int i = 0; i < kRegions; ++i) ExpectLogHoldsLedger(*logs[i], ledgers[i]);
  for (auto& region : logs) ASSERT_STATUS_OK(CloseAndWait(*region));
  logs.clear();
  RestartEngine();
  EXPECT_EQ(*engine().ListRegions(), (std::vector<RegionId>{kRegion, 100, 101, 102, 103}));
  for (int i = 0; i < kRegions; ++i) {
    auto opened = OpenOwned(engine(), 100 + i, options(), /*create=*/false);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ExpectLogHoldsLedger(**opened, ledgers[i]);
  }
}

TEST_P(RegionTest, ExtremeRegionIdsWork) {
  for (const RegionId region : {RegionId{0}, RegionId{UINT64_MAX}}) {
    auto opened = OpenOwned(engine(), region, options(), /*create=*/true);
    ASSERT_TRUE(opened.ok()) << opened.status();
    Batch batch;
    batch.payloads = {"x"};
    ASSERT_STATUS_OK(CommitOne(**opened, batch).status);
    ASSERT_STATUS_OK(CloseAndWait(*(*opened)));
  }
  EXPECT_EQ(*engine().ListRegions(), (std::vector<RegionId>{0, kRegion, UINT64_MAX}));
}

TEST_P(RegionTest, ADroppedRegionIsGoneForGoodAndAloneIsGone) {
  auto other = OpenOwned(engine(), 8, options(), /*create=*/true);
  ASSERT_TRUE(other.ok()) << other.status();
  Batch batch;
  batch.payloads = Payloads(3);
  Ledger other_ledger;
  other_ledger.Appended(1, CommitOne(**other, batch), batch.payloads);
  for (int i = 0; i < 20; ++i) Append(1, 3);
  CloseLog();
  const auto dropped = DropRegionAndWait(engine(), kRegion);
  ASSERT_TRUE(dropped.ok()) << dropped.status();
  EXPECT_TRUE(*dropped);
  EXPECT_FALSE(*DropRegionAndWait(engine(), kRegion));
  EXPECT_EQ(*engine().ListRegions(), std::vector<RegionId>{8});
  EXPECT_ERROR(OpenOwned(engine(), kRegion, options(), /*create=*/false).status(), kNotFound,
               kRegionNotFound);
  ExpectLogHoldsLedger(**other, other_ledger);
  OpenLog();
  const SequenceNumber highest = ledger().Next(1) - 1;
  ledger() = Ledger();
  if (GetParam().engine->numbers_end_with_their_region) {
    EXPECT_EQ(Append(1, 1).first, 1u);
  } else {
    EXPECT_GT(Append(1, 1).first, highest);
  }
  ExpectLogHoldsLedger();
}

TEST_P(RegionTest, VerifyOfASoundRegionChecksEveryRecordAndFindsNothing) {
  for (int i = 0; i < 20; ++i) Append(1 + i % 3, 3);
  uint64_t records = 0;
  bool complete = false;
  const auto note = [&](const VerifyProgress& progress) {
    EXPECT_TRUE(progress.findings.empty());
    EXPECT_LE(progress.bytes_checked, progress.bytes_total);
    complete = progress.bytes_checked == progress.bytes_total;
    records = progress.records_checked;
    return true;
  };
  ASSERT_STATUS_OK(log().Verify(note));
  EXPECT_TRUE(complete);
  EXPECT_GE(records, 60u);
  CloseLog();
  records = 0;
  ASSERT_STATUS_OK(engine().VerifyClosedRegion(kRegion, note));
  EXPECT_GE(records, 60u);
  OpenLog();
  ExpectLogHoldsLedger();
}

TEST_P(RegionTest, VerifyFindsNothingInARegionThatIsAppendedToMeanwhile) {
  AppendMoreThanVerifyChecksBetweenTwoReports();
  int reports = 0;
  ASSERT_STATUS_OK(log().Verify([&](const VerifyProgress& progress) {
    for (const DamagedRange& finding : progress.findings) ADD_FAILURE() << finding.reason;
    if (++reports > 5) return true;
    std::thread([&] {
      Append(1, 1);
      Append(2, 1);
    }).join();
    return true;
  }));
  EXPECT_GE(reports, 2);
  ExpectLogHoldsLedger();
}

TEST_P(RegionTest, VerifyCanBeStopped) {
  for (int i = 0; i < 5; ++i) Append(1, 3);
  int calls = 0;
  ASSERT_STATUS_OK(log().Verify([&](const VerifyProgress&) { return ++calls < 1; }));
  EXPECT_EQ(calls, 1);
}

TEST_P(RegionTest, VerifyCanBeStoppedInTheMiddle) {
  AppendMoreThanVerifyChecksBetweenTwoReports();
  int calls = 0;
  const auto stop = [&](const VerifyProgress& progress) {
    ++calls;
    EXPECT_LT(progress.bytes_checked, 6u << 20) << "it has not come to the end";
    return false;
  };
  ASSERT_STATUS_OK(log().Verify(stop));
  EXPECT_EQ(calls, 1);
  CloseLog();
  ASSERT_STATUS_OK(engine().VerifyClosedRegion(kRegion, stop));
  EXPECT_EQ(calls, 2);
}

TEST_P(RegionTest, VerifyingARegionThatDoesNotExistIsNotFound) {
  EXPECT_ERROR(engine().VerifyClosedRegion(99, [](const VerifyProgress&) { return true; }),
               kNotFound, kRegionNotFound);
}

class LockTest : public LogTest {};
INSTANTIATE_TEST_SUITE_P(Engines, LockTest,
                         ::testing::ValuesIn(SettingsWith(AllSettings(),
                                                          [](const EngineUnderTest& engine) {
                                                            return engine.opening_owns;
                                                          })),
                         SettingName);

TEST_P(LockTest, ASecondEngineOnTheSameDirectoryIsRefused) {
  EXPECT_ERROR(TryOpenEngine().status(), kFailedPrecondition, kLocked);
  Append(1, 1);
  ExpectLogHoldsLedger();
  StopEngine();
  OpenEngine();
  OpenLog();
  ExpectLogHoldsLedger();
}

}  // namespace
}  // namespace walden::testing
