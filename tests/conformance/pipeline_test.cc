// Several commits of a log under way: their numbers, their refusals, and what is begun between them.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/pipeline.h"
#include "tests/conformance/producer_fixture.h"

namespace walden::testing {
namespace {

class PipelineTest : public ProducerTest {
 protected:
  size_t depth() const { return GetParam().pipeline; }

  Batch OverTables(const std::vector<TableId>& tables, size_t count, size_t bytes = 0) {
    Batch batch;
    batch.table = tables[0];
    batch.payloads = Longer(count, bytes);
    for (size_t i = 1; i < tables.size(); ++i) {
      batch.more.push_back({.table = tables[i], .payloads = Longer(count, bytes)});
    }
    return batch;
  }
  std::vector<std::string> Longer(size_t count, size_t bytes) {
    std::vector<std::string> payloads = Payloads(count);
    for (std::string& payload : payloads) payload.resize(payload.size() + bytes, 'p');
    return payloads;
  }

  // Takes the batches that are done, from `first` on, into the ledger.
  void TakeIn(const Pipeline& pipeline, size_t* first) {
    for (; *first < pipeline.batches_done(); ++*first) {
      const BatchResult& result = pipeline.results()[*first];
      if (result.status.ok() && !result.duplicate) {
        ledger().Appended(pipeline.batches()[*first], result);
      }
    }
  }
  void TakeIn(const Pipeline& pipeline) {
    size_t first = 0;
    TakeIn(pipeline, &first);
  }

  // Finishes, and expects that all were accepted.
  void FinishWell(Pipeline& pipeline) {
    pipeline.Finish();
    for (const BatchResult& result : pipeline.results()) ASSERT_STATUS_OK(result.status);
    TakeIn(pipeline);
    ExpectLogHoldsLedger();
    RestartEngine();
    ExpectLogHoldsLedger();
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, PipelineTest,
                         ::testing::ValuesIn(PipelineSettings(AllSettings())), SettingName);

// What is visible between two calls of Work.
class LentPipelineTest : public PipelineTest {};
INSTANTIATE_TEST_SUITE_P(
    Engines, LentPipelineTest,
    ::testing::ValuesIn(PipelineSettings(SettingsWith(
        AllSettings(), [](const EngineUnderTest& engine) { return !engine.finishes_by_itself; }))),
    SettingName);

TEST_P(PipelineTest, TheLogTakesAsManyCommitsAsItIsToldOrSaysHowMany) {
  EXPECT_GE(log().commit_policy().max_under_way, 1u);
  EXPECT_LE(log().commit_policy().max_under_way, std::max<size_t>(depth(), 1));
}

TEST_P(PipelineTest, NumbersAreAssignedInTheOrderInWhichCommitsAreBegun) {
  Pipeline pipeline(&log(), GetParam());
  const std::vector<std::vector<TableId>> tables = {{1}, {2}, {1, 2}, {3, 1}, {2, 3, 1}};
  for (size_t i = 0; i < 40; ++i) {
    std::vector<Batch> group;
    for (size_t k = 0; k <= i % 3; ++k) {
      group.push_back(OverTables(tables[(i + k) % tables.size()], 1 + (i + k) % 2));
    }
    pipeline.Commit(group);
  }
  FinishWell(pipeline);
}

TEST_P(LentPipelineTest, NothingIsVisibleBeforeItIsDone) {
  Append(1, 2);
  Pipeline pipeline(&log(), GetParam());
  pipeline.on_done = [&] {
    const Batch& batch = pipeline.batches()[pipeline.batches_done() - 1];
    const BatchResult& result = pipeline.results()[pipeline.batches_done() - 1];
    EXPECT_GE(log().Position(batch.table).last, result.last) << "it is visible once it is done";
  };
  size_t taken = 0;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t k = 0; k < depth(); ++k) pipeline.Commit(OverTables({1 + k % 3, 4}, 1));
    ExpectLogHoldsLedger();
    while (pipeline.done() < pipeline.begun() && pipeline.Work()) {
      TakeIn(pipeline, &taken);
      ExpectLogHoldsLedger();
    }
  }
  EXPECT_EQ(pipeline.done(), 3 * depth());
}

TEST_P(LentPipelineTest, ABatchThatNobodyWantsAnyMoreWhenItsTurnComesIsNotStored) {
  Append(1, 2);
  Batch unwanted = OverTables({1, 2}, 1);
  AppendBatch batch = EngineBatch(unwanted);
  bool marked = false;
  bool begins = true;  // an engine may give numbers at once
  bool asked = false;
  batch.is_wanted = [&]() -> absl::Status {
    EXPECT_TRUE(begins || marked) << "asked while it still waited";
    asked = true;
    return absl::CancelledError("nobody waits");
  };
  bool done = false;
  log().MarkDeleted({{1, 1}}, std::nullopt, [&](const auto& result) { marked = result.ok(); });
  AppendBatch* const group[] = {&batch};
  log().Commit(group, [&done] { done = true; });
  begins = false;
  while (!done && log().Work()) {
  }
  ASSERT_TRUE(done);
  EXPECT_TRUE(asked);
  EXPECT_TRUE(absl::IsCancelled(batch.result.status)) << batch.result.status;
  EXPECT_FALSE(batch.result.may_be_stored);
  ledger().MarkedDeleted(1, 1);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(LentPipelineTest, AReaderAtTheEndReturnsWhatIsDone) {
  auto reader = log().NewReader({.table = 1});
  ASSERT_STATUS_OK(reader.status());
  std::vector<StoredRecord> records;
  Pipeline pipeline(&log(), GetParam());
  size_t taken = 0;
  for (size_t i = 0; i < 20; ++i) {
    pipeline.Commit(OverTables({1, 2}, 2));
    TakeIn(pipeline, &taken);
    ASSERT_STATUS_OK(NextInto(**reader, {}, records).status());
    EXPECT_EQ(records, ledger().Live(1));
  }
  pipeline.Finish();
  TakeIn(pipeline, &taken);
  ASSERT_STATUS_OK(NextInto(**reader, {}, records).status());
  EXPECT_EQ(records, ledger().Live(1));
}

TEST_P(PipelineTest, AnExpectedNumberIsThatBehindTheCommitsUnderWay) {
  const SequenceNumber next = Append(1, 1).last + 1;
  Pipeline pipeline(&log(), GetParam());
  for (SequenceNumber i = 0; i < 12; ++i) {
    Batch batch = OverTables({1}, 2);
    batch.expected_next_sequence = next + 2 * i;
    pipeline.Commit(batch);
    pipeline.Commit(batch);  // the number is taken
  }
  pipeline.Finish();
  for (SequenceNumber i = 0; i < 12; ++i) {
    const BatchResult& won = pipeline.results()[2 * i];
    const absl::Status& lost = pipeline.results()[2 * i + 1].status;
    ASSERT_STATUS_OK(won.status);
    EXPECT_EQ(won.first, next + 2 * i);
    EXPECT_ERROR(lost, kAborted, kSequenceMismatch);
    EXPECT_EQ(ErrorValue(lost, "actual_next_sequence"), std::to_string(won.last + 1));
    EXPECT_FALSE(pipeline.results()[2 * i + 1].may_be_stored);
  }
  TakeIn(pipeline);
  ExpectLogHoldsLedger();
}

TEST_P(PipelineTest, OfABatchOverSeveralTablesEachExpectationCounts) {
  Pipeline pipeline(&log(), GetParam());
  Batch wrong = OverTables({2, 1}, 1);
  wrong.more[0].expected_next_sequence = 1;
  pipeline.Commit(OverTables({1}, 1));
  pipeline.Commit(wrong);
  pipeline.Commit(OverTables({2}, 1));
  pipeline.Finish();
  EXPECT_ERROR(pipeline.results()[1].status, kAborted, kSequenceMismatch);
  TakeIn(pipeline);
  ExpectLogHoldsLedger();
}

TEST_P(PipelineTest, ARetryIsAnsweredThoughItsOriginalIsUnderWay) {
  const uint64_t producer = OpenProducer();
  Pipeline pipeline(&log(), GetParam());
  Batch first = OverTables({2, 1}, 2);
  first.producer = ProducerTag{producer, 1};
  const Batch second = Buffered(Tagged(producer, 2));
  Batch differs = second;
  differs.payloads.push_back("one more");
  for (const Batch& batch :
       {first, first, second, second, differs, first, Tagged(producer, 4), PassingOver(producer, 3),
        PassingOver(producer, 3), Tagged(producer, 3), Tagged(producer, 4)}) {
    pipeline.Commit(batch);
  }
  pipeline.Finish();
  const auto& results = pipeline.results();
  for (const auto& [retry, original] : std::map<size_t, size_t>{{1, 0}, {3, 2}, {5, 0}}) {
    ASSERT_STATUS_OK(results[retry].status);
    EXPECT_TRUE(results[retry].duplicate);
    EXPECT_EQ(results[retry].first, results[original].first);
    EXPECT_EQ(results[retry].last, results[original].last);
    EXPECT_EQ(results[retry].more, results[original].more);
  }
  EXPECT_TRUE(results[5].durable);
  for (const size_t original : {0, 2, 7, 10}) {
    ASSERT_STATUS_OK(results[original].status);
    EXPECT_FALSE(results[original].duplicate);
  }
  EXPECT_EQ(results[4].status.code(), absl::StatusCode::kInvalidArgument);
  ExpectOutOfOrder(results[6].status, 3);
  ASSERT_STATUS_OK(results[8].status);
  EXPECT_TRUE(results[8].duplicate);
  EXPECT_EQ(results[9].status.code(), absl::StatusCode::kInvalidArgument) << "it was passed over";
  TakeIn(pipeline);
  ExpectLogHoldsLedger();
  RestartEngine();
  const BatchResult again = CommitOne(log(), first);
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.more, results[0].more);
  ExpectOutOfOrder(Try(Tagged(producer, 6)).status, 5);
}

TEST_P(PipelineTest, AFenceHoldsFromTheOperationThatRaisedIt) {
  Pipeline pipeline(&log(), GetParam());
  const auto commit = [&](std::optional<uint64_t> version) {
    Batch batch = OverTables({1}, 1);
    batch.region_version = version;
    pipeline.Commit(batch);
  };
  absl::StatusOr<std::vector<SequenceNumber>> fence, late;
  commit(7);
  commit(6);
  commit(std::nullopt);
  pipeline.Begin<absl::StatusOr<std::vector<SequenceNumber>>>(
      [this](auto done) { log().MarkDeleted({}, 9, done); }, &fence);
  commit(8);
  commit(9);
  pipeline.Begin<absl::StatusOr<std::vector<SequenceNumber>>>(
      [this](auto done) {
        log().MarkDeleted({{1, 1}}, 8, done);
      },
      &late);
  commit(10);
  pipeline.Finish();
  ASSERT_STATUS_OK(fence.status());
  EXPECT_ERROR(late.status(), kFailedPrecondition, kFenced);
  for (const size_t accepted : {0, 2, 4, 5}) ASSERT_STATUS_OK(pipeline.results()[accepted].status);
  for (const size_t fenced : {1, 3}) {
    EXPECT_ERROR(pipeline.results()[fenced].status, kFailedPrecondition, kFenced);
  }
  TakeIn(pipeline);
  ExpectLogHoldsLedger();
  RestartEngine();
  EXPECT_EQ(log().Summary().region_version, 10u);
}

TEST_P(PipelineTest, TheFirstCommitToATableDecidesItsKindForThoseBehindIt) {
  Pipeline pipeline(&log(), GetParam());
  const auto commit = [&](const std::vector<TableId>& tables, TableKind kind) {
    Batch batch = OverTables(tables, 1);
    batch.kind = kind;
    pipeline.Commit(batch);
  };
  commit({5}, TableKind::kLog);
  commit({5}, TableKind::kEntries);
  commit({6}, TableKind::kEntries);
  commit({7, 6}, TableKind::kLog);
  commit({7, 6}, TableKind::kEntries);
  commit({5, 7}, TableKind::kLog);
  pipeline.Finish();
  for (const size_t accepted : {0, 2, 4}) ASSERT_STATUS_OK(pipeline.results()[accepted].status);
  for (const size_t wrong : {1, 3, 5}) {
    EXPECT_ERROR(pipeline.results()[wrong].status, kFailedPrecondition, kWrongTableKind);
  }
  TakeIn(pipeline);
  ExpectLogHoldsLedger();
  RestartEngine();
  EXPECT_EQ(log().Position(5).kind, TableKind::kLog);
  EXPECT_EQ(log().Position(6).kind, TableKind::kEntries);
  EXPECT_EQ(log().Position(7).kind, TableKind::kEntries);
}

TEST_P(PipelineTest, BufferedCommitsBesideSyncedOnesAreDurableWithThem) {
  set_buffered_sync_every_writes(1000);
  ReopenLog();
  Pipeline pipeline(&log(), GetParam());
  for (size_t i = 0; i < 24; ++i) {
    Batch batch = OverTables({1 + i % 2}, 1);
    if (i % 4 != 3) batch.durability = Durability::kBuffered;
    pipeline.Commit(batch);
  }
  pipeline.Finish();
  for (size_t i = 3; i < 24; i += 4) EXPECT_TRUE(pipeline.results()[i].durable) << i;
  EXPECT_FALSE(log().HasUnsynced());
  for (const TableId table : {1, 2}) {
    EXPECT_EQ(log().Position(table).durable_through, log().Position(table).last);
  }
  FinishWell(pipeline);
}

TEST_P(PipelineTest, WhatIsBegunBetweenCommitsTakesEffectBetweenThem) {
  const SequenceNumber before = Append(1, 2).last;
  Pipeline pipeline(&log(), GetParam());
  absl::StatusOr<std::vector<SequenceNumber>> marked, none;
  absl::StatusOr<uint64_t> producer;
  absl::Status restored, raised, synced, noted, closed;
  pipeline.Commit(OverTables({1}, 3));
  pipeline.Begin<absl::StatusOr<std::vector<SequenceNumber>>>(
      [&](auto done) {
        log().MarkDeleted({{1, kMaxSequenceNumber}, {2, kMaxSequenceNumber}}, std::nullopt, done);
      },
      &marked);
  pipeline.Commit(OverTables({1, 2}, 2));
  pipeline.Begin<absl::StatusOr<uint64_t>>(
      [&](auto done) { log().OpenProducer(std::nullopt, done); }, &producer);
  pipeline.Begin<absl::Status>(
      [&](auto done) { log().RestoreMark(50, 1000, TableKind::kEntries, done); }, &restored);
  Batch entries = OverTables({50}, 1);
  entries.kind = TableKind::kEntries;
  pipeline.Commit(entries);
  pipeline.Begin<absl::Status>([&](auto done) { log().RestoreNext(60, 5000, done); }, &raised);
  pipeline.Commit(Buffered(OverTables({60}, 1)));
  pipeline.Begin<absl::Status>([&](auto done) { log().Sync(done); }, &synced);
  pipeline.Begin<absl::Status>([&](auto done) { log().NoteDurable(done); }, &noted);
  pipeline.Commit(Buffered(OverTables({1}, 2)));
  pipeline.Begin<absl::StatusOr<std::vector<SequenceNumber>>>(
      [&](auto done) {
        log().MarkDeleted({{99, 5}}, std::nullopt, done);
      },
      &none);
  pipeline.Begin<absl::Status>([&](auto done) { log().Close(done); }, &closed);
  pipeline.Finish();

  const auto& results = pipeline.results();
  for (const BatchResult& result : results) ASSERT_STATUS_OK(result.status);
  for (const absl::Status& status : {restored, raised, synced, noted, closed}) {
    ASSERT_STATUS_OK(status);
  }
  ASSERT_STATUS_OK(marked.status());
  EXPECT_EQ(*marked, (std::vector<SequenceNumber>{results[0].last, 0}));
  EXPECT_GT(results[0].last, before);
  ASSERT_STATUS_OK(none.status());
  EXPECT_EQ(*none, std::vector<SequenceNumber>{0});
  ASSERT_STATUS_OK(producer.status());
  EXPECT_GT(results[2].first, 1000u);
  EXPECT_GE(results[3].first, 5000u);

  ledger().Appended(pipeline.batches()[0], results[0]);
  ledger().MarkedDeleted(1, results[0].last);
  ledger().Appended(pipeline.batches()[1], results[1]);
  ledger().MarkedDeleted(50, 1000);
  for (size_t i = 2; i < results.size(); ++i) ledger().Appended(pipeline.batches()[i], results[i]);
  OpenLog();
  ExpectLogHoldsLedger();
  ASSERT_STATUS_OK(Try(Tagged(*producer, 1)).status);
}

TEST_P(PipelineTest, AProducerThatIsOpenedBetweenCommitsAppendsBehindThem) {
  Pipeline pipeline(&log(), GetParam());
  std::vector<absl::StatusOr<uint64_t>> producers(5);
  for (auto& producer : producers) {
    pipeline.Commit(OverTables({1}, 1));
    pipeline.Begin<absl::StatusOr<uint64_t>>(
        [&](auto done) { log().OpenProducer(std::nullopt, done); }, &producer);
  }
  FinishWell(pipeline);
  for (size_t i = 1; i < producers.size(); ++i) EXPECT_GT(*producers[i], *producers[i - 1]);
  ASSERT_STATUS_OK(Try(Tagged(*producers.back(), 1)).status);
}

// Segments of 16 KiB are full after a few commits.
TEST_P(PipelineTest, ASegmentEndsInTheMiddleOfThePipeline) {
  CloseLog();
  ASSERT_TRUE(DropRegionAndWait(engine(), kRegion).ok());
  set_segment_size(16 << 10);
  OpenLog();
  Pipeline pipeline(&log(), GetParam());
  for (size_t i = 0; i < 60; ++i) {
    Batch batch = OverTables({1 + i % 3, 4}, 1 + i % 2, 100 * (i % 11));
    if (i % 5 == 0) batch.durability = Durability::kBuffered;
    pipeline.Commit(batch);
  }
  FinishWell(pipeline);
}

// Larger groups than an engine writes at once, and more bytes than it may write before it notes how
// far it is durable.
TEST_P(PipelineTest, TheLogGrowsFarInTheMiddleOfThePipeline) {
  CloseLog();
  ASSERT_TRUE(DropRegionAndWait(engine(), kRegion).ok());
  set_segment_size(8 << 20);
  OpenLog();
  Pipeline pipeline(&log(), GetParam());
  for (size_t i = 0; i < 40; ++i) {
    const size_t bytes = i % 10 == 9 ? 700 << 10 : 60 << 10;
    pipeline.Commit({OverTables({1}, 1, bytes), OverTables({2, 1}, 1, bytes / 3)});
  }
  FinishWell(pipeline);
}

TEST_P(LentPipelineTest, ACommitMayBeBegunWhereAnotherOneIsDone) {
  Pipeline pipeline(&log(), GetParam(), /*deeper=*/1);
  size_t left = 20;
  pipeline.on_done = [&] {
    if (left == 0) return;
    --left;
    pipeline.Commit(OverTables({1}, 1));
  };
  for (size_t i = 0; i < depth(); ++i) pipeline.Commit(OverTables({1, 2}, 1));
  pipeline.Finish();
  EXPECT_EQ(left, 0u);
  FinishWell(pipeline);
}

TEST_P(LentPipelineTest, ALogThatIsDestroyedWithCommitsUnderWayHoldsAPrefixOfThem) {
  const SequenceNumber before = Append(1, 1).last;
  {
    Pipeline pipeline(&log(), GetParam());
    pipeline.on_done = [] { ADD_FAILURE() << "nobody works"; };
    for (size_t i = 0; i < depth(); ++i) pipeline.Commit(OverTables({1}, 1));
    StopEngine();
    OpenEngine();
    OpenLog();
    const auto records = ReadAll(log(), {.table = 1, .first = before + 1});
    ASSERT_STATUS_OK(records.status());
    ASSERT_LE(records->size(), depth());
    for (size_t i = 0; i < records->size(); ++i) {
      EXPECT_EQ((*records)[i].payload, pipeline.batches()[i].payloads[0]);
    }
  }
  const auto records = ReadTable(log(), 1);
  ASSERT_STATUS_OK(records.status());
  EXPECT_GT(CommitOne(log(), {.table = 1, .payloads = {"x"}}).first, records->back().sequence);
}

}  // namespace
}  // namespace walden::testing
