// Who may change a log, of engines whose logs others can open as well. "A" and "b" are two nodes.
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {
namespace {

class OwnershipTest : public LogTest {
 protected:
  void SetUp() override {
    LogTest::SetUp();
    CloseLog();
    ASSERT_TRUE(DropRegionAndWait(engine(), kRegion).ok());
    b_engine_ = *TryOpenEngine("b");
    a_ = Open(engine());
    b_ = Open(*b_engine_);
  }
  void TearDown() override {
    a_.reset();
    b_.reset();
    b_engine_.reset();
    LogTest::TearDown();
  }

  std::unique_ptr<RegionLog> Open(LogEngine& engine, std::function<void()> on_change = nullptr) {
    absl::StatusOr<std::unique_ptr<RegionLog>> log;
    absl::Notification is_there;
    engine.OpenRegion(kRegion,
                      {.options = options(), .create = true, .on_change = std::move(on_change)},
                      [&](auto opened) {
                        log = std::move(opened);
                        is_there.Notify();
                      });
    is_there.WaitForNotification();
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? *std::move(log) : nullptr;
  }

  static absl::Status Append(RegionLog& log, const std::string& payload) {
    const BatchResult result = CommitOne(log, {.table = 1, .payloads = {payload}});
    EXPECT_FALSE(result.may_be_stored && !result.status.ok()) << "nothing was under way";
    return result.status;
  }

  static void ExpectHolds(const RegionLog& log, const std::vector<std::string>& expected) {
    const auto records = ReadTable(log, 1);
    ASSERT_STATUS_OK(records.status());
    std::vector<std::string> payloads;
    for (const StoredRecord& record : *records) payloads.push_back(record.payload);
    EXPECT_EQ(payloads, expected);
  }

  static void ExpectElsewhere(const absl::Status& status, const std::string& owner) {
    EXPECT_ERROR(status, kFailedPrecondition, kOwnedElsewhere);
    EXPECT_EQ(ErrorValue(status, "owner"), owner);
  }

  // Where the owner of a log is reached.
  std::string AddressOf(const RegionLog& other_log) { return other_log.ownership().owner; }

  std::unique_ptr<LogEngine> b_engine_;
  std::unique_ptr<RegionLog> a_, b_;
};
INSTANTIATE_TEST_SUITE_P(Engines, OwnershipTest,
                         ::testing::ValuesIn(SettingsWith(AllSettings(),
                                                          [](const EngineUnderTest& engine) {
                                                            return !engine.opening_owns;
                                                          })),
                         SettingName);

TEST_P(OwnershipTest, OpeningOwnsNothingAndMakesNothing) {
  EXPECT_FALSE(engine().opening_owns());
  EXPECT_FALSE(a_->ownership().is_owner);
  EXPECT_EQ(a_->ownership().owner, "");
  EXPECT_TRUE(engine().ListRegions()->empty());
  ExpectElsewhere(Append(*a_, "x"), "");
  ExpectElsewhere(OpenProducerAndWait(*a_).status(), "");
  ExpectElsewhere(MarkTableAndWait(*a_, 1, 1).status(), "");
  ExpectElsewhere(RestoreMarkAndWait(*a_, 1, 1, TableKind::kLog), "");
  ExpectElsewhere(RestoreNextAndWait(*a_, 1, 5), "");
  ASSERT_STATUS_OK(a_->Health());
  ASSERT_STATUS_OK(AcquireLog(*a_));
  EXPECT_TRUE(a_->ownership().is_owner);
  ASSERT_STATUS_OK(Append(*a_, "x"));
  EXPECT_EQ(*b_engine_->ListRegions(), std::vector<RegionId>{kRegion});
}

TEST_P(OwnershipTest, AReaderElsewhereIsToldOfMoreAndSeesIt) {
  absl::Mutex mutex;
  int changes = 0;
  const auto reader = Open(*b_engine_, [&] {
    absl::MutexLock lock(&mutex);
    ++changes;
  });
  ASSERT_STATUS_OK(AcquireLog(*a_));
  auto following = reader->NewReader({.table = 1});
  ASSERT_STATUS_OK(following.status());
  std::vector<StoredRecord> followed;
  for (int i = 1; i <= 3; ++i) {
    const int before = [&] {
      absl::MutexLock lock(&mutex);
      return changes;
    }();
    ASSERT_STATUS_OK(Append(*a_, "x"));
    {
      const auto is_told = [&] { return changes > before; };
      absl::MutexLock lock(&mutex);
      mutex.Await(absl::Condition(&is_told));
    }
    ASSERT_STATUS_OK(NextInto(**following, {}, followed).status());
    EXPECT_EQ(followed.size(), static_cast<size_t>(i));
    EXPECT_EQ(reader->Position(1).last, a_->Position(1).last);
  }
}

TEST_P(OwnershipTest, ALogThatIsOwnedGoesToAHigherVersionThanItWasTakenWithOnly) {
  ASSERT_STATUS_OK(AcquireLog(*a_, {.region_version = 5}));
  ASSERT_STATUS_OK(AcquireLog(*a_, {.region_version = 5}));
  ASSERT_STATUS_OK(Append(*a_, "of a"));
  const std::string a = AddressOf(*b_);
  ExpectElsewhere(AcquireLog(*b_), a);
  ExpectElsewhere(AcquireLog(*b_, {.region_version = 5}), a);
  EXPECT_ERROR(AcquireLog(*b_, {.region_version = 4}), kFailedPrecondition, kFenced);
  ASSERT_STATUS_OK(Append(*a_, "of a again"));
  ASSERT_STATUS_OK(AcquireLog(*b_, {.region_version = 6}));
  ExpectHolds(*b_, {"of a", "of a again"});
  ASSERT_STATUS_OK(Append(*b_, "of b"));
  EXPECT_EQ(b_->Summary().region_version, 6u);
}

TEST_P(OwnershipTest, WhoLostALogIsToldChangesNothingAndMayTakeItBack) {
  std::atomic<int> told{0};
  a_ = Open(engine(), [&] { ++told; });
  ASSERT_STATUS_OK(AcquireLog(*a_, {.region_version = 1}));
  ASSERT_STATUS_OK(Append(*a_, "of a"));
  EXPECT_EQ(told, 0);
  ASSERT_STATUS_OK(AcquireLog(*b_, {.region_version = 2}));
  const std::string b = AddressOf(*a_);
  ExpectElsewhere(Append(*a_, "late"), b);
  ExpectElsewhere(OpenProducerAndWait(*a_).status(), b);
  ExpectElsewhere(MarkTableAndWait(*a_, 1, 1).status(), b);
  EXPECT_GE(told, 1);
  EXPECT_FALSE(a_->ownership().is_owner);
  EXPECT_FALSE(a_->HasUnsynced());
  ASSERT_STATUS_OK(a_->Health());
  ASSERT_STATUS_OK(Append(*b_, "of b"));
  ExpectElsewhere(AcquireLog(*a_, {.region_version = 2}), b);
  ASSERT_STATUS_OK(AcquireLog(*a_, {.region_version = 3}));
  ASSERT_STATUS_OK(Append(*a_, "of a again"));
  ExpectHolds(*a_, {"of a", "of b", "of a again"});
}

TEST_P(OwnershipTest, AnOperatorTakesItOverAndTheVersionStays) {
  absl::Notification is_told;
  a_ = Open(engine(), [&] {
    if (!is_told.HasBeenNotified()) is_told.Notify();
  });
  ASSERT_STATUS_OK(AcquireLog(*a_, {.region_version = 5}));
  ASSERT_STATUS_OK(AcquireLog(*b_, {.take_over = true}));
  is_told.WaitForNotification();
  EXPECT_FALSE(a_->ownership().is_owner);
  ExpectElsewhere(Append(*a_, "late"), AddressOf(*a_));
  EXPECT_EQ(b_->Summary().region_version, 5u);
  ASSERT_STATUS_OK(Append(*b_, "x"));
}

TEST_P(OwnershipTest, AReleasedLogIsAnybodys) {
  ASSERT_STATUS_OK(AcquireLog(*a_));
  const BatchResult buffered =
      CommitOne(*a_, {.table = 1, .payloads = {"buffered"}, .durability = Durability::kBuffered});
  ASSERT_STATUS_OK(buffered.status);
  absl::Status released = absl::UnknownError("not done");
  absl::Notification is_there;
  a_->Release([&](const absl::Status& status) {
    released = status;
    is_there.Notify();
  });
  while (a_->Work()) {
  }
  is_there.WaitForNotification();
  ASSERT_STATUS_OK(released);
  EXPECT_FALSE(a_->ownership().is_owner);
  EXPECT_EQ(b_->ownership().owner, "");
  ExpectElsewhere(Append(*a_, "late"), "");
  ASSERT_STATUS_OK(AcquireLog(*b_));
  EXPECT_EQ(b_->Position(1).durable_through, buffered.last);
  ASSERT_STATUS_OK(Append(*b_, "after"));
  ExpectHolds(*b_, {"buffered", "after"});
}

TEST_P(OwnershipTest, ProducersKindsAndConditionsGoOnWithTheNextOwner) {
  ASSERT_STATUS_OK(AcquireLog(*a_, {.region_version = 1}));
  const auto producer = OpenProducerAndWait(*a_);
  ASSERT_STATUS_OK(producer.status());
  Batch batch{.table = 1, .payloads = {"x"}, .producer = ProducerTag{*producer, 1}};
  batch.kind = TableKind::kEntries;
  const BatchResult first = CommitOne(*a_, batch);
  ASSERT_STATUS_OK(first.status);
  ASSERT_STATUS_OK(AcquireLog(*b_, {.region_version = 2}));
  const BatchResult again = CommitOne(*b_, batch);
  EXPECT_TRUE(again.duplicate) << again.status;
  EXPECT_EQ(again.first, first.first);
  EXPECT_ERROR(Append(*b_, "a plain record"), kFailedPrecondition, kWrongTableKind);
  batch.producer.reset();
  batch.expected_next_sequence = first.last + 1;
  ASSERT_STATUS_OK(CommitOne(*b_, batch).status);
  const auto next = OpenProducerAndWait(*b_);
  ASSERT_STATUS_OK(next.status());
  EXPECT_GT(*next, *producer);
}

TEST_P(OwnershipTest, ALogIsItsOwnersAgainAfterARestartAndListedAsSuch) {
  ASSERT_STATUS_OK(AcquireLog(*a_));
  ASSERT_STATUS_OK(Append(*a_, "x"));
  ASSERT_STATUS_OK(CloseAndWait(*a_));
  a_.reset();
  StopEngine();
  OpenEngine();
  EXPECT_EQ(*engine().ListOwned(), std::vector<RegionId>{kRegion});
  EXPECT_TRUE(b_engine_->ListOwned()->empty());
  EXPECT_FALSE(AcquireLog(*b_).ok());
  a_ = Open(engine());
  EXPECT_FALSE(a_->ownership().is_owner);
  ASSERT_STATUS_OK(AcquireLog(*a_));
  ASSERT_STATUS_OK(Append(*a_, "y"));
  ExpectHolds(*a_, {"x", "y"});
}

TEST_P(OwnershipTest, OnlyItsOwnerDropsARegion) {
  ASSERT_STATUS_OK(AcquireLog(*a_));
  b_.reset();
  EXPECT_ERROR(DropRegionAndWait(*b_engine_, kRegion).status(), kFailedPrecondition,
               kOwnedElsewhere);
  ASSERT_STATUS_OK(CloseAndWait(*a_));
  a_.reset();
  EXPECT_TRUE(*DropRegionAndWait(engine(), kRegion));
  EXPECT_TRUE(b_engine_->ListRegions()->empty());
}

TEST_P(OwnershipTest, WhatIsBegunBehindAnAcquireTakesEffectBehindIt) {
  AppendBatch x, y;
  x.tables.push_back({.table = 1, .payloads = {"x"}});
  y.tables.push_back({.table = 1, .payloads = {"y"}, .expected_next_sequence = 2});
  AppendBatch* const groups[][1] = {{&x}, {&y}};
  std::vector<std::string> order;
  absl::Notification is_done;
  a_->Acquire({}, [&](const absl::Status& status) {
    order.push_back(status.ok() ? "acquired" : "refused");
  });
  a_->Commit(groups[0], [&] { order.push_back("x"); });
  a_->Commit(groups[1], [&] {
    order.push_back("y");
    is_done.Notify();
  });
  while (a_->Work()) {
  }
  is_done.WaitForNotification();
  EXPECT_EQ(order, (std::vector<std::string>{"acquired", "x", "y"}));
  ASSERT_STATUS_OK(x.result.status);
  ASSERT_STATUS_OK(y.result.status);
}

TEST_P(OwnershipTest, TwoThatTakeALogFromEachOtherLoseNothingThatWasAnswered) {
  struct Answer {
    std::string payload;
    BatchResult result;
  };
  std::vector<Answer> answers[2];
  RegionLog* const logs[] = {a_.get(), b_.get()};
  std::vector<std::thread> nodes;
  for (int node = 0; node < 2; ++node) {
    nodes.emplace_back([&, node] {
      for (int i = 0; i < 300; ++i) {
        EXPECT_TRUE(AcquireLog(*logs[node], {.take_over = true}).ok());
        for (int k = 0; k < 3; ++k) {
          const std::string payload = absl::StrCat("node ", node, " round ", i, " record ", k);
          answers[node].push_back(
              {payload, CommitOne(*logs[node], {.table = 1, .payloads = {payload}})});
        }
      }
    });
  }
  for (std::thread& node : nodes) node.join();
  ASSERT_STATUS_OK(AcquireLog(*a_, {.take_over = true}));
  const auto records = ReadTable(*a_, 1);
  ASSERT_STATUS_OK(records.status());
  std::map<std::string, SequenceNumber> stored;
  SequenceNumber last = 0;
  for (const StoredRecord& record : *records) {
    EXPECT_GT(record.sequence, last);
    last = record.sequence;
    EXPECT_TRUE(stored.emplace(record.payload, record.sequence).second) << "stored twice";
  }
  answers[0].insert(answers[0].end(), answers[1].begin(), answers[1].end());
  for (const auto& [payload, result] : answers[0]) {
    const auto found = stored.find(payload);
    if (result.status.ok()) {
      ASSERT_NE(found, stored.end()) << payload;
      EXPECT_EQ(found->second, result.first);
    } else {
      EXPECT_ERROR(result.status, kFailedPrecondition, kOwnedElsewhere);
      EXPECT_TRUE(found == stored.end() || result.may_be_stored) << payload;
    }
  }
}

}  // namespace
}  // namespace walden::testing
