// What the entry log promises to a store, one sentence each, on a real engine.
#include <string>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/entry/entry_codec.h"
#include "engine/wait.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/engine/entry/entry_store.h"

namespace walden::testing {
namespace {

using ::testing::ElementsAre;

class EntryTest : public ::testing::Test {
 protected:
  EntryTest() { OpenWith({}); }

  void OpenWith(const entry::EntryMemoryLimits& limits) {
    store_.SetLimits(limits);
    store_.Drop();
    const absl::Status status = store_.Open();
    EXPECT_TRUE(status.ok()) << status;
  }
  void Finalize(SequenceNumber flush) {
    const absl::Status status = store_.TryFinalize(flush);
    EXPECT_TRUE(status.ok()) << status;
  }
  // "key=value@sequence", or "key@sequence" for a tombstone.
  static std::vector<std::string> Shown(const std::vector<TestEntry>& entries) {
    std::vector<std::string> shown;
    for (const TestEntry& entry : entries) {
      shown.push_back(
          absl::StrCat(entry.key, entry.value ? "=" + *entry.value : "", "@", entry.sequence));
    }
    return shown;
  }
  std::vector<std::string> Scan(const std::string& first = "",
                                std::optional<std::string> end = std::nullopt) {
    const auto entries = store_.TryScan(first, end);
    EXPECT_TRUE(entries.ok()) << entries.status();
    return entries.ok() ? Shown(*entries) : std::vector<std::string>{};
  }
  static void ExpectError(const absl::Status& status, absl::StatusCode code, ErrorReason reason) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_TRUE(HasReason(status, reason)) << status;
  }

  EntryStore store_;
};

TEST_F(EntryTest, GetReturnsTheNewestEntry) {
  EXPECT_EQ(store_.Get("a"), "(none)");
  store_.Put("a", "1");
  store_.Put("a", "2");
  store_.Put("b", "3");
  EXPECT_EQ(store_.Get("a"), "2");
  EXPECT_EQ((*store_.TryGet("a"))->sequence, 2u);
  EXPECT_EQ(store_.Get("b"), "3");
  EXPECT_EQ(store_.Get("c"), "(none)");
}

TEST_F(EntryTest, ATombstoneHidesWhatIsOlder) {
  store_.Put("a", "1");
  store_.Delete("a");
  EXPECT_EQ(store_.Get("a"), "(none)");
  EXPECT_THAT(Scan(), ElementsAre());
  store_.Put("a", "2");
  EXPECT_EQ(store_.Get("a"), "2");
}

TEST_F(EntryTest, ATombstoneHidesWhatLiesInAnOlderPage) {
  store_.Put("a", "1");
  store_.Flush();
  store_.Delete("a");
  EXPECT_EQ(store_.Get("a"), "(none)");
  EXPECT_THAT(Scan(), ElementsAre());
}

TEST_F(EntryTest, AnExpiredEntryIsNotThereAndBringsNothingOlderBack) {
  store_.Put("a", "old");
  ASSERT_TRUE(store_.TryPut({{"a", "new", store_.now_unix_ms + 10}}).status.ok());
  EXPECT_EQ(store_.Get("a"), "new");
  store_.now_unix_ms += 10;
  EXPECT_EQ(store_.Get("a"), "(none)");
  EXPECT_THAT(Scan(), ElementsAre());
}

TEST_F(EntryTest, AFlushStreamsExpiredEntriesToo) {
  store_.Put("a", "old");
  ASSERT_TRUE(store_.TryPut({{"a", "new", store_.now_unix_ms - 1}}).status.ok());
  EXPECT_THAT(Shown(store_.Flush().entries), ElementsAre("a=new@2", "a=old@1"));
}

TEST_F(EntryTest, TheEntriesOfOnePutHaveContiguousNumbersAndTheLastOfAKeyWins) {
  const BatchResult result = store_.TryPut({{"a", "1"}, {"b", "2"}, {"a", "3"}});
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.first, 1u);
  EXPECT_EQ(result.last, 3u);
  EXPECT_EQ(store_.Get("a"), "3");
  EXPECT_THAT(Shown(store_.Flush().entries), ElementsAre("a=3@3", "a=1@1", "b=2@2"));
}

TEST_F(EntryTest, ScanReturnsTheNewestOfEachKeyOfARangeInOrder) {
  store_.Put("b", "1");
  store_.Put("a", "2");
  store_.Flush();
  store_.Put("c", "3");
  store_.Put("b", "4");
  store_.Put("d", "5");
  EXPECT_THAT(Scan(), ElementsAre("a=2@2", "b=4@5", "c=3@4", "d=5@6"));
  EXPECT_THAT(Scan("b", "d"), ElementsAre("b=4@5", "c=3@4"));
  EXPECT_THAT(Scan("bb"), ElementsAre("c=3@4", "d=5@6"));
  EXPECT_THAT(Scan("x"), ElementsAre());
}

TEST_F(EntryTest, AScanSeesNothingThatWasPutAfterItBegan) {
  store_.Put("a", "1");
  store_.Put("b", "2");
  const auto table = store_.Ready();
  entry::EntryCursor cursor(*table, *(*table)->ViewAll(), {.newest_at_unix_ms = 0});
  store_.Put("b", "3");
  store_.Put("c", "4");
  std::vector<std::string> seen;
  const auto progress = cursor.Next({}, [&seen](const RecordView& record) {
    seen.push_back(absl::StrCat(entry::Decode(record.payload)->key, "@", record.sequence));
  });
  EXPECT_EQ(*progress, ReadProgress::kFinished);
  EXPECT_THAT(seen, ElementsAre("a@1", "b@2"));
}

TEST_F(EntryTest, AFlushStreamsEveryVersionInKeyOrderNewestFirstTombstonesIncluded) {
  store_.Put("b", "1");
  store_.Put("a", "2");
  store_.Delete("b");
  store_.Put("b", "4");
  const TestFlush flush = store_.Flush();
  EXPECT_EQ(flush.id, 5u) << "the number behind the last entry's";
  EXPECT_THAT(Shown(flush.entries), ElementsAre("a=2@2", "b=4@4", "b@3", "b=1@1"));
}

TEST_F(EntryTest, GetKeepsAnsweringFromThePagesOfAFlush) {
  store_.Put("a", "1");
  auto flush = store_.BeginFlush();
  ASSERT_TRUE(flush.ok()) << flush.status();
  EXPECT_EQ(store_.Get("a"), "1");
  ASSERT_TRUE(store_.FinishFlush(*std::move(flush)).ok());
  EXPECT_EQ(store_.Get("a"), "1");
}

TEST_F(EntryTest, EntriesPutDuringAFlushBelongToTheNextPage) {
  store_.Put("a", "1");
  auto flush = store_.BeginFlush();
  ASSERT_TRUE(flush.ok()) << flush.status();
  store_.Put("a", "2");
  store_.Put("0", "3");
  const auto finished = store_.FinishFlush(*std::move(flush), {.max_records = 1});
  EXPECT_THAT(Shown(finished->entries), ElementsAre("a=1@1"));
  Finalize(finished->id);
  EXPECT_EQ(store_.Get("a"), "2");
  EXPECT_EQ(store_.Get("0"), "3");
}

TEST_F(EntryTest, AFlushThatIsNotFinalizedAppearsWholeInTheNextOneWithTheNewerPages) {
  store_.Put("b", "1");
  store_.Put("c", "2");
  const TestFlush first = store_.Flush();
  store_.Put("a", "4");
  store_.Put("b", "5");
  const TestFlush second = store_.Flush();
  EXPECT_GT(second.id, first.id);
  EXPECT_THAT(Shown(second.entries), ElementsAre("a=4@4", "b=5@5", "b=1@1", "c=2@2"));
}

TEST_F(EntryTest, WithNothingNewAFlushIsTheLastOneAgain) {
  store_.Put("a", "1");
  const TestFlush first = store_.Flush();
  const TestFlush again = store_.Flush();
  EXPECT_EQ(again.id, first.id);
  EXPECT_EQ(again.entries, first.entries);
}

TEST_F(EntryTest, WithoutEntriesThereIsNothingToFlush) {
  EXPECT_EQ(store_.Flush().id, 0u);
  store_.Put("a", "1");
  Finalize(store_.Flush().id);
  EXPECT_EQ(store_.Flush().id, 0u);
}

TEST_F(EntryTest, AfterFinalizeTheKeysAreGoneUnlessPutAgain) {
  store_.Put("a", "1");
  store_.Put("b", "2");
  const TestFlush flush = store_.Flush();
  store_.Put("b", "3");
  Finalize(flush.id);
  EXPECT_EQ(store_.Get("a"), "(none)");
  EXPECT_EQ(store_.Get("b"), "3");
  EXPECT_EQ(store_.log().Position(EntryStore::kTable).deleted_through, flush.id);
  store_.Put("a", "4");
  EXPECT_EQ(store_.Get("a"), "4");
}

TEST_F(EntryTest, FinalizingGivesMemoryBack) {
  for (int i = 0; i < 1000; ++i) store_.Put(absl::StrCat("key ", i), std::string(200, 'x'));
  EXPECT_GT(store_.memory().pages().used(), 200'000u);
  Finalize(store_.Flush().id);
  EXPECT_EQ(store_.memory().pages().used(), 0u);
}

TEST_F(EntryTest, FinalizingAnOldFlushTwiceIsHarmless) {
  store_.Put("a", "1");
  const TestFlush first = store_.Flush();
  Finalize(first.id);
  store_.Put("b", "2");
  const TestFlush second = store_.Flush();
  Finalize(first.id);
  EXPECT_EQ(store_.Get("b"), "2");
  Finalize(second.id);
  Finalize(first.id);
  Finalize(second.id);
  EXPECT_EQ(store_.Get("b"), "(none)");
}

TEST_F(EntryTest, FinalizingAnUnknownFlushIsAnError) {
  store_.Put("a", "1");
  store_.Put("b", "2");
  for (const SequenceNumber id : {SequenceNumber{1}, SequenceNumber{2}, SequenceNumber{3},
                                  SequenceNumber{99}, kMaxSequenceNumber}) {
    ExpectError(store_.TryFinalize(id), absl::StatusCode::kFailedPrecondition,
                ErrorReason::kUnknownFlush);
  }
  EXPECT_EQ(store_.Get("a"), "1");
}

TEST_F(EntryTest, FinalizingAFlushBeforeItsStreamEndedIsAnError) {
  store_.Put("a", "1");
  auto flush = store_.BeginFlush();
  const SequenceNumber id = flush->id;
  ExpectError(store_.TryFinalize(id), absl::StatusCode::kFailedPrecondition,
              ErrorReason::kFlushNotConsumed);
  ASSERT_TRUE(store_.FinishFlush(*std::move(flush)).ok());
  Finalize(id);
}

TEST_F(EntryTest, ANewerFinalizedFlushCoversAnOlderOne) {
  store_.Put("a", "1");
  const TestFlush first = store_.Flush();
  store_.Put("b", "2");
  Finalize(store_.Flush().id);
  EXPECT_EQ(store_.Get("a"), "(none)");
  Finalize(first.id);
}

TEST_F(EntryTest, AnOlderFlushEndsWithAnErrorWhenANewerOneIsFinalized) {
  store_.Put("a", "1");
  store_.Put("b", "2");
  auto older = store_.BeginFlush();
  store_.Put("c", "3");
  Finalize(store_.Flush().id);
  const auto finished = store_.FinishFlush(*std::move(older));
  ExpectError(finished.status(), absl::StatusCode::kAborted, ErrorReason::kFlushFinalized);
}

TEST_F(EntryTest, ANewerFlushGoesOnWhenAnOlderOneIsFinalized) {
  store_.Put("a", "1");
  const TestFlush first = store_.Flush();
  store_.Put("b", "2");
  auto newer = store_.BeginFlush();
  Finalize(first.id);
  const auto finished = store_.FinishFlush(*std::move(newer));
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_THAT(Shown(finished->entries), ElementsAre("a=1@1", "b=2@3"));
}

TEST_F(EntryTest, ARestartBringsBackWhatIsNotFinalizedAndNothingElse) {
  store_.Put("a", "1");
  store_.Put("b", "2");
  Finalize(store_.Flush().id);
  store_.Put("c", "3");
  const TestFlush open = store_.Flush();
  store_.Put("d", "4");
  store_.Restart();
  EXPECT_EQ(store_.Get("a"), "(none)");
  EXPECT_EQ(store_.Get("c"), "3");
  EXPECT_EQ(store_.Get("d"), "4");
  EXPECT_THAT(Shown(store_.Flush().entries), ElementsAre("c=3@4", "d=4@6"));
  // The id of a flush that was made before the restart is still known.
  Finalize(open.id);
  EXPECT_EQ(store_.Get("c"), "(none)");
  EXPECT_EQ(store_.Get("d"), "4");
}

TEST_F(EntryTest, EntriesPutWhilePagesAreLoadedAreThereOnce) {
  store_.Put("a", "1");
  store_.Put("b", "2");
  store_.Restart();
  store_.Put("c", "3");  // begins loading
  store_.Put("b", "4");
  EXPECT_THAT(Shown(store_.Flush().entries), ElementsAre("a=1@1", "b=4@4", "b=2@2", "c=3@3"));
}

TEST_F(EntryTest, AFinalizeDuringLoadingBringsNothingBack) {
  store_.Put("a", "1");
  const TestFlush flush = store_.Flush();
  store_.Put("b", "2");
  store_.Restart();
  store_.Put("c", "3");  // begins loading
  ASSERT_TRUE(MarkTableAndWait(store_.log(), EntryStore::kTable, flush.id, std::nullopt).ok());
  store_.tables().Finalized(EntryStore::kTable, flush.id);
  EXPECT_THAT(Shown(store_.Flush().entries), ElementsAre("b=2@3", "c=3@4"));
}

TEST_F(EntryTest, AnEntryThatLoadingFoundBeforeItWasAppliedIsThereOnce) {
  store_.Put("a", "1");
  store_.Restart();
  const std::string payload = EntryStore::Payload({"b", "2"});
  AppendBatch batch;
  batch.tables = {{.table = EntryStore::kTable, .payloads = {payload}}};
  batch.kind = TableKind::kEntries;
  AppendBatch* const group[] = {&batch};
  CommitAndWait(store_.log(), group);
  ASSERT_TRUE(batch.result.status.ok()) << batch.result.status;
  ASSERT_TRUE(store_.Ready().ok());
  store_.tables().Applied(batch, {});
  EXPECT_THAT(Shown(store_.Flush().entries), ElementsAre("a=1@1", "b=2@2"));
}

TEST_F(EntryTest, AFlushThatLoadingFoundBeforeItWasAppliedIsNotFinalizedUnlessItWasStreamed) {
  store_.Put("a", "1");
  store_.Restart();
  const std::string marker(entry::FlushMarker());
  AppendBatch batch;
  batch.tables = {{.table = EntryStore::kTable, .payloads = {marker}}};
  batch.kind = TableKind::kEntries;
  AppendBatch* const group[] = {&batch};
  CommitAndWait(store_.log(), group);
  ASSERT_TRUE(batch.result.status.ok()) << batch.result.status;
  ASSERT_TRUE(store_.Ready().ok());
  store_.tables().Applied(batch, {{.table = *store_.tables().Find(EntryStore::kTable)}});
  const absl::Status early = store_.tables().CheckFinalize(EntryStore::kTable, 2);
  EXPECT_TRUE(HasReason(early, ErrorReason::kFlushNotConsumed)) << early;
}

TEST_F(EntryTest, ARetriedPutIsThereOnce) {
  Batch batch;
  batch.table = EntryStore::kTable;
  batch.payloads = {EntryStore::Payload({"a", "1"})};
  batch.producer = ProducerTag{OpenProducerAndWait(store_.log(), std::nullopt).value(), 1};
  const BatchResult first = store_.TryPut(batch);
  const BatchResult retry = store_.TryPut(batch);
  EXPECT_TRUE(retry.duplicate);
  EXPECT_EQ(retry.first, first.first);
  EXPECT_THAT(Shown(store_.Flush().entries), ElementsAre("a=1@1"));
  Finalize(2);
  EXPECT_TRUE(store_.TryPut(batch).duplicate);
  EXPECT_EQ(store_.Get("a"), "(none)") << "a retry must not bring back what was finalized";
}

TEST_F(EntryTest, ABatchPutsEntriesIntoSeveralTables) {
  Batch batch;
  batch.table = EntryStore::kTable;
  batch.payloads = {EntryStore::Payload({"a", "1"})};
  batch.more = {{.table = 8, .payloads = {EntryStore::Payload({"b", "2"})}}};
  const BatchResult result = store_.TryPut(batch);
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(store_.Get("a"), "1");
  EXPECT_EQ(store_.Get("b"), "(none)") << "it is in the other table";
  const auto other = store_.tables().Find(8);
  ASSERT_TRUE(other.ok() && *other != nullptr) << other.status();
  EXPECT_EQ((*other)->ViewAll()->entries, 1u);
  EXPECT_EQ((*other)->ViewAll()->pages.size(), 1u);
}

TEST_F(EntryTest, ABatchForWhichOneTableHasNoMemoryIsPutIntoNone) {
  OpenWith({.total_bytes = 64 << 20, .table_bytes = 1 << 20, .page_bytes = 64 << 10});
  store_.Put("a", "1");
  Batch batch;
  batch.table = EntryStore::kTable;
  batch.payloads = {EntryStore::Payload({"b", "2"})};
  batch.more = {{.table = 8, .payloads = {EntryStore::Payload({"c", std::string(1 << 20, 'x')})}}};
  const uint64_t before = store_.memory().pages().used();
  const BatchResult refused = store_.TryPut(batch);
  ExpectError(refused.status, absl::StatusCode::kResourceExhausted, ErrorReason::kEntryMemoryFull);
  EXPECT_EQ(store_.memory().pages().used(), before) << "memory of the first table is given back";
  EXPECT_EQ(store_.Get("b"), "(none)");
  EXPECT_EQ(store_.log().Position(8).last, 0u);
}

TEST_F(EntryTest, PastATablesMemoryPutsAreRefusedUntilAFinalize) {
  OpenWith({.total_bytes = 64 << 20, .table_bytes = 1 << 20, .page_bytes = 64 << 10});
  BatchResult result;
  int stored = 0;
  for (; stored < 10'000; ++stored) {
    result = store_.TryPut({{absl::StrCat("key ", stored), std::string(1000, 'x')}});
    if (!result.status.ok()) break;
  }
  ExpectError(result.status, absl::StatusCode::kResourceExhausted, ErrorReason::kEntryMemoryFull);
  EXPECT_EQ(ErrorValue(result.status, "field"), "entries.table_memory");
  EXPECT_GT(stored, 400);
  EXPECT_LE(store_.memory().pages().used(), uint64_t{1} << 20);
  const TestFlush flush = store_.Flush();
  EXPECT_EQ(flush.entries.size(), static_cast<size_t>(stored)) << "nothing refused was stored";
  EXPECT_FALSE(store_.TryPut({{"one more", "x"}}).status.ok());
  Finalize(flush.id);
  store_.Put("one more", "x");
  EXPECT_EQ(store_.Get("one more"), "x");
}

TEST_F(EntryTest, PastTheDaemonsMemoryPutsAreRefused) {
  OpenWith({.total_bytes = 1 << 20, .table_bytes = 1 << 20, .page_bytes = 64 << 10});
  Batch batch;
  batch.payloads = {EntryStore::Payload({"k", std::string(1000, 'x')})};
  BatchResult result;
  for (batch.table = 100; batch.table < 1000; ++batch.table) {
    result = store_.TryPut(batch);
    if (!result.status.ok()) break;
  }
  ExpectError(result.status, absl::StatusCode::kResourceExhausted, ErrorReason::kEntryMemoryFull);
  EXPECT_EQ(ErrorValue(result.status, "field"), "entries.total_memory");
  EXPECT_LE(store_.memory().pages().used(), store_.memory().pages().limit());
}

TEST_F(EntryTest, APageIsSealedBySizeAndNothingIsMissed) {
  OpenWith({.page_bytes = 32 << 10});
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) {
      store_.Put(absl::StrCat("key ", i), absl::StrCat(round, std::string(100, 'x')));
    }
  }
  const auto view = (*store_.Ready())->ViewAll();
  EXPECT_GT(view->pages.size(), 3u);
  EXPECT_EQ(view->entries, 900u);
  EXPECT_EQ(Scan().size(), 300u);
  EXPECT_EQ(store_.Get("key 7")[0], '2');
  EXPECT_EQ(store_.Flush().entries.size(), 900u);
}

TEST_F(EntryTest, ARecordThatIsNoEntryIsDataLoss) {
  Batch batch;
  batch.table = EntryStore::kTable;
  batch.payloads = {"not an entry"};
  batch.kind = TableKind::kEntries;
  ASSERT_TRUE(CommitOne(store_.log(), batch).status.ok());
  ExpectError(store_.TryGet("a").status(), absl::StatusCode::kDataLoss, ErrorReason::kCorruption);
  ExpectError(store_.TryPut({{"a", "1"}}).status, absl::StatusCode::kDataLoss,
              ErrorReason::kCorruption);
}

TEST_F(EntryTest, APlainLogIsNoEntryLog) {
  Batch batch;
  batch.table = EntryStore::kTable;
  batch.payloads = {"a record"};
  ASSERT_TRUE(CommitOne(store_.log(), batch).status.ok());
  for (const absl::Status& status :
       {store_.TryPut({{"a", "1"}}).status, store_.TryGet("a").status(), store_.TryFlush().status(),
        store_.TryFinalize(1)}) {
    ExpectError(status, absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongTableKind);
  }
}

}  // namespace
}  // namespace walden::testing
