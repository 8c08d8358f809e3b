// More that is not finalized than memory may hold: everything works, from the log.
#include <string>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/engine/entry/entry_store.h"

namespace walden::testing {
namespace {

class SpilledTest : public ::testing::Test {
 protected:
  static constexpr int kKeys = 2000;
  // What the table holds is about 1.5 MiB; memory is enough for a sixth of it.
  static constexpr entry::EntryMemoryLimits kRoomy{};
  static constexpr entry::EntryMemoryLimits kTight{
      .total_bytes = 1 << 20, .table_bytes = 256 << 10, .page_bytes = 64 << 10};

  SpilledTest() {
    EXPECT_TRUE(store_.Open().ok());
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < kKeys; i += 20) {
        std::vector<TestEntry> entries;
        // Keys in an order that mixes every page with every other.
        for (int k = i; k < i + 20; ++k) {
          const int key = k * 7919 % kKeys;
          entries.push_back({Key(key), absl::StrCat("round ", round, std::string(300, 'x'))});
          if (key % 10 == 3 && round == 1) entries.back().value = std::nullopt;
        }
        EXPECT_TRUE(store_.TryPut(entries).status.ok());
      }
      if (round == 0) first_flush_ = store_.Flush().id;
    }
    ReopenWith(kRoomy);
    whole_ = store_.Flush();
    ReopenWith(kTight);
  }

  static std::string Key(int number) { return absl::StrCat("key ", 10'000 + number); }

  void ReopenWith(const entry::EntryMemoryLimits& limits) {
    store_.SetLimits(limits);
    store_.Restart();
  }
  uint64_t Spilled() {
    const auto table = store_.Ready();
    EXPECT_TRUE(table.ok()) << table.status();
    return table.ok() ? (*table)->Summary()->spilled_entries : 0;
  }

  EntryStore store_;
  SequenceNumber first_flush_ = 0;
  TestFlush whole_;
};

TEST_F(SpilledTest, PagesStayWithinTheirMemory) {
  EXPECT_GT(Spilled(), 2u * kKeys / 2);
  EXPECT_LT(Spilled(), 2u * kKeys) << "what fits is in memory";
  EXPECT_LE(store_.memory().pages().used(), kTight.table_bytes);
}

TEST_F(SpilledTest, AFlushStreamsTheSameAsFromMemory) {
  const TestFlush flush = store_.Flush();
  EXPECT_EQ(flush.id, whole_.id);
  ASSERT_EQ(flush.entries.size(), whole_.entries.size());
  for (size_t i = 0; i < flush.entries.size(); ++i) {
    ASSERT_EQ(flush.entries[i], whole_.entries[i]) << i;
  }
}

TEST_F(SpilledTest, AFlushInSmallStepsStreamsTheSame) {
  const auto flush = store_.TryFlush({.max_records = 7});
  ASSERT_TRUE(flush.ok()) << flush.status();
  EXPECT_EQ(flush->entries, whole_.entries);
}

TEST_F(SpilledTest, GetFindsTheNewestWhereverItIs) {
  for (int key = 0; key < kKeys; key += 37) {
    EXPECT_EQ(store_.Get(Key(key)), key % 10 == 3 ? "(none)" : "round 1" + std::string(300, 'x'))
        << key;
  }
  EXPECT_EQ(store_.Get("absent"), "(none)");
}

TEST_F(SpilledTest, ScanReturnsTheNewestOfEachKey) {
  const auto entries = store_.TryScan("");
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), static_cast<size_t>(kKeys - kKeys / 10));
  for (const TestEntry& entry : *entries) EXPECT_EQ(entry.value->substr(0, 7), "round 1");
  const auto some = store_.TryScan(Key(100), Key(110), {.max_records = 1});
  ASSERT_TRUE(some.ok()) << some.status();
  EXPECT_EQ(some->size(), 9u);
  EXPECT_EQ(some->front().key, Key(100));
}

TEST_F(SpilledTest, PutsAreRefusedUntilAFinalizeLeavesWhatFits) {
  Spilled();
  const BatchResult refused = store_.TryPut({{"new", "1"}});
  EXPECT_TRUE(HasReason(refused.status, ErrorReason::kEntryMemoryFull)) << refused.status;
  ASSERT_TRUE(store_.TryFinalize(store_.Flush().id).ok());
  store_.Put("new", "1");
  EXPECT_EQ(store_.Get("new"), "1");
  EXPECT_EQ(store_.Get(Key(1)), "(none)");
}

TEST_F(SpilledTest, AnOldFlushCanBeFinalizedInside) {
  Spilled();
  const absl::Status status = store_.TryFinalize(first_flush_);
  ASSERT_TRUE(status.ok()) << status;
  std::vector<TestEntry> left;
  for (const TestEntry& entry : whole_.entries) {
    if (entry.sequence > first_flush_) left.push_back(entry);
  }
  EXPECT_EQ(store_.Flush().entries, left);
}

TEST_F(SpilledTest, AFlushInTheLogThatIsFinalizedMeanwhileEndsWithAnError) {
  auto flush = store_.BeginFlush();
  ASSERT_TRUE(flush.ok()) << flush.status();
  int visited = 0;
  ASSERT_TRUE(flush->cursor->Next({.max_records = 10}, [&](const RecordView&) { ++visited; }).ok());
  EXPECT_EQ(visited, 10);
  ASSERT_TRUE(store_.TryFinalize(first_flush_).ok());
  const auto finished = store_.FinishFlush(*std::move(flush));
  EXPECT_TRUE(HasReason(finished.status(), ErrorReason::kFlushFinalized)) << finished.status();
}

// Another finalize may make the pages again between a flush's marker and its view.
TEST_F(SpilledTest, AFlushWhosePagesWereMadeAgainWithLaterEntriesLeavesNothingOut) {
  ReopenWith(kRoomy);
  for (int i = 0; i < kKeys; ++i) store_.Put(Key(i), "round 2" + std::string(300, 'x'));
  ReopenWith(kTight);
  ASSERT_GT(Spilled(), 0u);
  Batch marker{.table = EntryStore::kTable};
  marker.payloads = {std::string(entry::FlushMarker())};
  const BatchResult flush = store_.TryPut(marker);
  ASSERT_TRUE(flush.status.ok()) << flush.status;
  ASSERT_TRUE(store_.TryFinalize(first_flush_).ok());
  store_.Put("later", "taken while the pages are made");
  ASSERT_TRUE(store_.TryFinalize(whole_.id).ok());
  ASSERT_GT(Spilled(), 0u);
  const auto view = (*store_.Ready())->BeginFlush(flush.first);
  if (view.ok()) {
    ASSERT_TRUE(view->has_value());
    EXPECT_EQ((*view)->entries, static_cast<uint64_t>(kKeys))
        << "finalizing this flush deletes what it did not stream";
  } else {
    EXPECT_TRUE(HasReason(view.status(), ErrorReason::kFlushFinalized)) << view.status();
  }
  EXPECT_EQ(store_.Flush().entries.size(), static_cast<size_t>(kKeys + 1));
}

// Pages that are made again do not end where an unmarked flush did.
TEST_F(SpilledTest, WhatAnUnmarkedFlushCoveredIsGoneOnceThatIsFinalized) {
  ReopenWith(kRoomy);
  store_.Put("covered", "1");
  ReopenWith(kTight);
  ASSERT_GT(Spilled(), 0u);
  const auto table = *store_.Ready();
  const std::optional<SequenceNumber> flush = table->SealUnmarked();
  ASSERT_TRUE(flush.has_value());
  table->FlushConsumed(*flush);
  ASSERT_TRUE(store_.TryFinalize(first_flush_).ok());
  store_.Put("later", "2");
  ASSERT_TRUE(store_.TryFinalize(whole_.id).ok());
  EXPECT_EQ(Spilled(), 0u);
  EXPECT_EQ(store_.Get("covered"), "1");
  ASSERT_TRUE(store_.TryFinalize(*flush).ok());
  EXPECT_EQ(store_.Get("covered"), "(none)");
  EXPECT_EQ(store_.Get("later"), "2");
  EXPECT_EQ(store_.Flush().entries.size(), 1u);
}

TEST_F(SpilledTest, TooManyPassesAtOnceAreRefused) {
  const auto table = store_.Ready();
  std::vector<std::unique_ptr<entry::EntryCursor>> cursors;
  absl::Status status;
  for (int i = 0; i < 10 && status.ok(); ++i) {
    cursors.push_back(
        std::make_unique<entry::EntryCursor>(*table, *(*table)->ViewAll(), entry::CursorRange{}));
    status = cursors.back()->Next({.max_records = 1}, [](const RecordView&) {}).status();
  }
  EXPECT_TRUE(HasReason(status, ErrorReason::kEntryMemoryFull)) << status;
  EXPECT_GT(cursors.size(), 1u);
}

TEST_F(SpilledTest, AnEntryLargerThanAPassIsStreamed) {
  ReopenWith(kRoomy);
  store_.Put("huge", std::string(50'000, 'h'));
  store_.Put("zz", std::string(50'000, 'z'));
  whole_ = store_.Flush();
  ReopenWith({.total_bytes = 64 << 10, .table_bytes = 32 << 10, .page_bytes = 16 << 10});
  EXPECT_EQ(store_.Flush().entries, whole_.entries);
}

}  // namespace
}  // namespace walden::testing
