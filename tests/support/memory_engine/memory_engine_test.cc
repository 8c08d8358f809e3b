// What the engine in memory has beside other engines: owners, and faults that a test injects. The
// conformance suite holds it to the rest.
#include "tests/support/memory_engine/memory_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/support/log_verbs.h"

namespace walden {
namespace {

using testing::Batch;
using ::testing::ElementsAre;
using testing::ErrorValue;
using testing::ReadTable;
using Fate = MemoryRegion::Fate;

// Runs what was posted when the test says so.
class Queue final : public Executor {
 public:
  void Post(std::function<void()> work) override { work_.push_back(std::move(work)); }
  bool RunOne() {
    if (work_.empty()) return false;
    const auto work = std::move(work_.front());
    work_.pop_front();
    work();
    return true;
  }
  void RunAll() {
    while (RunOne()) {
    }
  }

 private:
  std::deque<std::function<void()>> work_;
};

std::vector<std::string> Read(const RegionLog& log) {
  const auto records = ReadTable(log, 1);
  EXPECT_TRUE(records.ok()) << records.status();
  std::vector<std::string> payloads;
  if (!records.ok()) return payloads;
  for (const auto& record : *records) payloads.push_back(record.payload);
  return payloads;
}

// A batch of one record that was begun.
struct Begun {
  explicit Begun(const std::string& text, TableId table = 1) : payload(text) {
    batch.tables.push_back({.table = table, .payloads = {payload}});
  }
  void To(RegionLog& log) {
    AppendBatch* const group[] = {&batch};
    log.Commit(group, [this] { is_done = true; });
  }
  const absl::Status& status() const { return batch.result.status; }

  std::string payload;
  AppendBatch batch;
  bool is_done = false;
};

// Two nodes over one store.
class OwnersTest : public ::testing::Test {
 protected:
  OwnersTest() {
    a_ = Node("a");
    b_ = Node("b");
  }

  std::unique_ptr<MemoryEngine> Node(const std::string& name) {
    return std::make_unique<MemoryEngine>(MemoryEngineOptions{.store = store_,
                                                              .identity = name,
                                                              .address = name + ":1",
                                                              .owns_by_opening = false,
                                                              .executor = executor_});
  }

  std::unique_ptr<RegionLog> Open(MemoryEngine& engine, int* changes = nullptr) {
    OpenRequest request{.create = true};
    if (changes != nullptr) request.on_change = [changes] { ++*changes; };
    std::unique_ptr<RegionLog> log;
    engine.OpenRegion(1, request, [&](auto opened) { log = *std::move(opened); });
    queue_.RunAll();
    return log;
  }

  absl::Status Acquire(RegionLog& log, const AcquireRequest& request = {}) {
    std::optional<absl::Status> status;
    log.Acquire(request, [&](const absl::Status& outcome) { status = outcome; });
    queue_.RunAll();
    return status.value_or(absl::UnknownError("not done"));
  }

  absl::Status Append(RegionLog& log, const std::string& payload) {
    Begun append(payload);
    append.To(log);
    queue_.RunAll();
    EXPECT_TRUE(append.is_done);
    return append.status();
  }

  static void ExpectOwnedBy(const std::string& owner, const absl::Status& status) {
    EXPECT_TRUE(HasReason(status, ErrorReason::kOwnedElsewhere)) << status;
    EXPECT_EQ(ErrorValue(status, "owner"), owner);
  }

  Queue queue_;
  Executor* executor_ = nullptr;
  const std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  std::unique_ptr<MemoryEngine> a_, b_;
};

TEST_F(OwnersTest, OpeningOwnsNothingAndMakesNothing) {
  EXPECT_FALSE(a_->opening_owns());
  const auto log = Open(*a_);
  EXPECT_FALSE(log->ownership().is_owner);
  EXPECT_TRUE(a_->ListRegions()->empty());
  ExpectOwnedBy("", Append(*log, "x"));
  ExpectOwnedBy("", OpenProducerAndWait(*log).status());
  ExpectOwnedBy("", MarkTableAndWait(*log, 1, 1).status());
  ExpectOwnedBy("", SyncAndWait(*log));
  EXPECT_TRUE(log->Health().ok());
  EXPECT_TRUE(Acquire(*log).ok());
  EXPECT_TRUE(log->ownership().is_owner);
  EXPECT_TRUE(Append(*log, "x").ok());
  EXPECT_THAT(*a_->ListRegions(), ElementsAre(1));
}

TEST_F(OwnersTest, ARegionThatIsNotThereIsMadeOnlyIfItIsToBe) {
  std::optional<absl::Status> opened;
  a_->OpenRegion(1, {}, [&](const auto& log) { opened = log.status(); });
  EXPECT_TRUE(absl::IsNotFound(*opened));
}

TEST_F(OwnersTest, AReaderElsewhereSeesWhatIsStoredAndIsToldOfMore) {
  int changes = 0;
  const auto owner = Open(*a_);
  const auto reader = Open(*b_, &changes);
  ASSERT_TRUE(Acquire(*owner).ok());
  ASSERT_TRUE(Append(*owner, "x").ok());
  EXPECT_EQ(changes, 1);
  EXPECT_THAT(Read(*reader), ElementsAre("x"));
  EXPECT_EQ(reader->ownership().owner, "a:1");
  const auto late = Open(*b_);
  EXPECT_THAT(Read(*late), ElementsAre("x"));
}

TEST_F(OwnersTest, ALogThatAnotherOneOwnsGoesToAHigherVersionThanItWasTakenWithOnly) {
  int told = 0;
  const auto a = Open(*a_, &told);
  const auto b = Open(*b_);
  ASSERT_TRUE(Acquire(*a, {.region_version = 5}).ok());
  ASSERT_TRUE(Append(*a, "of a").ok());
  ExpectOwnedBy("a:1", Acquire(*b));
  ExpectOwnedBy("a:1", Acquire(*b, {.region_version = 5}));
  EXPECT_TRUE(HasReason(Acquire(*b, {.region_version = 4}), ErrorReason::kFenced));
  EXPECT_EQ(told, 0);
  ASSERT_TRUE(Acquire(*b, {.region_version = 6}).ok());
  EXPECT_EQ(told, 1);
  EXPECT_FALSE(a->ownership().is_owner);
  EXPECT_EQ(a->ownership().owner, "b:1");
  ExpectOwnedBy("b:1", Append(*a, "late"));
  EXPECT_TRUE(a->Health().ok());
  ASSERT_TRUE(Append(*b, "of b").ok());
  EXPECT_THAT(Read(*b), ElementsAre("of a", "of b"));
  EXPECT_THAT(Read(*a), ElementsAre("of a", "of b"));
  ExpectOwnedBy("b:1", Acquire(*a, {.region_version = 6}));
  ASSERT_TRUE(Acquire(*a, {.region_version = 7}).ok());
  ASSERT_TRUE(Append(*a, "of a again").ok());
  EXPECT_EQ(b->Position(1).last, 3u);
}

TEST_F(OwnersTest, AnOperatorTakesALogOverWhateverItsVersionAndTheVersionStays) {
  const auto a = Open(*a_);
  const auto b = Open(*b_);
  ASSERT_TRUE(Acquire(*a, {.region_version = 5}).ok());
  ASSERT_TRUE(Acquire(*b, {.take_over = true}).ok());
  ExpectOwnedBy("b:1", Append(*a, "late"));
  EXPECT_EQ(b->Summary().region_version, 5u);
  ASSERT_TRUE(Append(*b, "x").ok());
}

TEST_F(OwnersTest, AReleasedLogIsAnybodys) {
  const auto a = Open(*a_);
  const auto b = Open(*b_);
  ASSERT_TRUE(Acquire(*a).ok());
  Begun before("before");
  before.To(*a);
  std::optional<absl::Status> released;
  a->Release([&](const absl::Status& status) { released = status; });
  EXPECT_TRUE(before.status().ok());
  EXPECT_TRUE(released->ok());
  EXPECT_EQ(b->ownership().owner, "");
  ExpectOwnedBy("", Append(*a, "late"));
  EXPECT_THAT(Read(*a), ElementsAre("before"));
  ASSERT_TRUE(Acquire(*b).ok());
  ASSERT_TRUE(Append(*b, "after").ok());
  EXPECT_THAT(Read(*a), ElementsAre("before", "after"));
}

TEST_F(OwnersTest, ALogIsItsOwnersAgainAfterARestartAndListedAsSuch) {
  auto a = Open(*a_);
  ASSERT_TRUE(Acquire(*a).ok());
  ASSERT_TRUE(CloseAndWait(*a).ok());
  a = nullptr;
  a_ = Node("a");
  EXPECT_THAT(*a_->ListOwned(), ElementsAre(1));
  EXPECT_TRUE(b_->ListOwned()->empty());
  EXPECT_THAT(*b_->ListRegions(), ElementsAre(1));
  const auto b = Open(*b_);
  ExpectOwnedBy("a:1", Acquire(*b));
  const auto again = Open(*a_);
  EXPECT_FALSE(again->ownership().is_owner);
  EXPECT_TRUE(Acquire(*again).ok());
  EXPECT_TRUE(Append(*again, "x").ok());
}

TEST_F(OwnersTest, OnlyItsOwnerDropsARegion) {
  const auto a = Open(*a_);
  ASSERT_TRUE(Acquire(*a).ok());
  ExpectOwnedBy("a:1", DropRegionAndWait(*b_, 1).status());
  ASSERT_TRUE(CloseAndWait(*a).ok());
  EXPECT_TRUE(*DropRegionAndWait(*a_, 1));
}

TEST_F(OwnersTest, WhatIsBegunBehindAnAcquireTakesEffectBehindIt) {
  executor_ = &queue_;
  a_ = Node("a");
  const auto a = Open(*a_);
  std::optional<absl::Status> acquired;
  a->Acquire({}, [&](const absl::Status& status) { acquired = status; });
  Begun x("x"), y("y");
  x.To(*a);
  y.To(*a);
  EXPECT_FALSE(acquired.has_value());
  queue_.RunAll();
  EXPECT_TRUE(acquired->ok());
  EXPECT_TRUE(x.status().ok());
  EXPECT_EQ(y.batch.tables[0].first, 2u);
}

// Commits that are under way when another one takes the log over.
class LostTest : public OwnersTest {
 protected:
  LostTest() {
    executor_ = &queue_;
    a_ = Node("a");
    a = Open(*a_);
    b = Open(*b_);
    EXPECT_TRUE(Acquire(*a).ok());
  }

  void TakeOver() { EXPECT_TRUE(Acquire(*b, {.region_version = 1}).ok()); }

  std::unique_ptr<RegionLog> a, b;
};

TEST_F(LostTest, WhatHadNotReachedTheStoreIsNotStored) {
  Begun x("x"), y("y"), refused("z");
  refused.batch.tables[0].expected_next_sequence = 1;
  x.To(*a);
  y.To(*a);
  refused.To(*a);
  b->Acquire({.region_version = 1}, [](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
  queue_.RunAll();
  for (const Begun* append : {&x, &y, &refused}) {
    EXPECT_TRUE(append->is_done);
    ExpectOwnedBy("b:1", append->status());
    EXPECT_FALSE(append->batch.result.may_be_stored);
  }
  EXPECT_THAT(Read(*b), ElementsAre());
  EXPECT_TRUE(Append(*b, "first").ok());
}

TEST_F(LostTest, WhatHadReachedItIsStoredAndItsAnswerSaysPerhaps) {
  store_->Region(1)->SetFate(Fate::kAnswerLater);
  Begun x("x"), y("y");
  x.To(*a);
  y.To(*a);
  queue_.RunAll();
  EXPECT_FALSE(x.is_done);
  EXPECT_EQ(a->Position(1).last, 0u);
  TakeOver();
  ExpectOwnedBy("b:1", x.status());
  EXPECT_TRUE(x.batch.result.may_be_stored);
  ExpectOwnedBy("b:1", y.status());
  EXPECT_FALSE(y.batch.result.may_be_stored);
  EXPECT_THAT(Read(*b), ElementsAre("x"));
  EXPECT_THAT(Read(*a), ElementsAre("x"));
}

TEST_F(LostTest, AnUnknownOutcomeStaysUnknown) {
  store_->Region(1)->SetFate(Fate::kLoseAnswer);
  Begun x("x");
  x.To(*a);
  queue_.RunAll();
  TakeOver();
  ExpectOwnedBy("b:1", x.status());
  EXPECT_TRUE(x.batch.result.may_be_stored);
  EXPECT_THAT(Read(*b), ElementsAre());
  store_->Region(1)->Resolve(true);
  EXPECT_THAT(Read(*b), ElementsAre()) << "the new owner has fenced it off";
}

TEST_F(LostTest, WhatComesToTheStoreAfterTheLogWasTakenIsNotStored) {
  bool is_taken = false;
  store_->Region(1)->SetInCommit([&] {
    if (!std::exchange(is_taken, true)) TakeOver();
  });
  Begun x("x");
  x.To(*a);
  queue_.RunAll();
  ExpectOwnedBy("b:1", x.status());
  EXPECT_FALSE(x.batch.result.may_be_stored);
  EXPECT_THAT(Read(*b), ElementsAre());
}

TEST_F(LostTest, WhoLostItStoresNothingAndMayTakeItBack) {
  TakeOver();
  Begun x("x");
  x.To(*a);
  queue_.RunAll();
  ExpectOwnedBy("b:1", x.status());
  EXPECT_TRUE(Append(*b, "y").ok());
  ASSERT_TRUE(Acquire(*a, {.region_version = 2}).ok());
  EXPECT_TRUE(Append(*a, "z").ok());
  EXPECT_THAT(Read(*a), ElementsAre("y", "z"));
}

// ---------------------------------------------------------------------------------------------------
// Faults of commits under way

class FateTest : public ::testing::Test {
 protected:
  FateTest() { Open(); }

  void Open() {
    log_ = nullptr;
    log_ = *OpenRegionAndWait(engine_, 1, {.max_commits_under_way = 8}, /*create=*/true);
    region_ = engine_.Region(1);
  }
  void Begin() {
    for (Begun* append : {&x, &y, &z}) append->To(*log_);
  }
  // 'o': OK, 'f': the region failed, 'm': it failed and it may be stored, '-': not done.
  std::string Outcomes() const {
    std::string outcomes;
    for (const Begun* append : {&x, &y, &z}) {
      if (!append->is_done) {
        outcomes += '-';
      } else if (append->status().ok()) {
        outcomes += 'o';
      } else {
        EXPECT_TRUE(HasReason(append->status(), ErrorReason::kRegionFailed)) << append->status();
        outcomes += append->batch.result.may_be_stored ? 'm' : 'f';
      }
    }
    return outcomes;
  }
  std::vector<std::string> Stored() {
    if (log_ != nullptr) {
      EXPECT_TRUE(CloseAndWait(*log_).ok());
    }
    Open();
    return Read(*log_);
  }

  MemoryEngine engine_;
  std::unique_ptr<RegionLog> log_;
  std::shared_ptr<MemoryRegion> region_;
  Begun x{"x"}, y{"y"}, z{"z"};
};

TEST_F(FateTest, AHeldCommitHoldsUpThoseBehindIt) {
  region_->SetFate(Fate::kHold, 2);
  Begin();
  EXPECT_EQ(Outcomes(), "o--");
  EXPECT_EQ(z.batch.tables[0].first, 3u) << "it has its number";
  EXPECT_EQ(log_->Position(1).last, 1u);
  EXPECT_EQ(region_->held(), 1u);
  region_->Continue();
  EXPECT_EQ(Outcomes(), "ooo");
  EXPECT_EQ(region_->held(), 0u);
  EXPECT_THAT(Stored(), ElementsAre("x", "y", "z"));
}

TEST_F(FateTest, ACommitThatIsAnsweredLaterIsNotVisibleBefore) {
  region_->SetFate(Fate::kAnswerLater);
  Begin();
  EXPECT_EQ(Outcomes(), "---");
  EXPECT_EQ(log_->Position(1).last, 0u);
  EXPECT_THAT(region_->Payloads(1), ElementsAre("x"));
  region_->Continue();
  EXPECT_EQ(Outcomes(), "ooo");
}

TEST_F(FateTest, NoneSucceedsBehindOneThatFailed) {
  const std::tuple<Fate, std::string, std::vector<std::string>> faults[] = {
      {Fate::kFail, "omf", {"x"}},
      {Fate::kFailStored, "omf", {"x", "y"}},
      {Fate::kFailSync, "omf", {"x", "y"}}};
  for (const auto& [fate, outcomes, stored] : faults) {
    region_->SetFate(fate, 2);
    Begin();
    EXPECT_EQ(Outcomes(), outcomes);
    EXPECT_FALSE(log_->Health().ok());
    EXPECT_EQ(log_->Position(1).last, 1u);
    EXPECT_EQ(Stored(), stored);
    EXPECT_TRUE(log_->Health().ok());
    EXPECT_TRUE(CloseAndWait(*log_).ok());
    log_ = nullptr;
    EXPECT_TRUE(*DropRegionAndWait(engine_, 1));
    Open();
  }
}

TEST_F(FateTest, AnUnknownOutcomeThatIsStoredLetsAllFinishInOrder) {
  region_->SetFate(Fate::kLoseAnswer);
  Begin();
  EXPECT_EQ(Outcomes(), "---");
  region_->Resolve(true);
  EXPECT_EQ(Outcomes(), "ooo");
  EXPECT_THAT(Stored(), ElementsAre("x", "y", "z"));
}

TEST_F(FateTest, AnUnknownOutcomeThatIsNotStoredFailsTheRegion) {
  region_->SetFate(Fate::kLoseAnswer, 2);
  Begin();
  EXPECT_EQ(Outcomes(), "o--");
  region_->Resolve(false);
  EXPECT_EQ(Outcomes(), "omf");
  EXPECT_THAT(Stored(), ElementsAre("x"));
}

TEST_F(FateTest, AnUnknownOutcomeThatIsGivenUpFailsTheRegionAndIsStoredOrNot) {
  region_->SetFate(Fate::kLoseAnswer, 2);
  Begin();
  region_->GiveUp(/*is_stored=*/true);
  EXPECT_EQ(Outcomes(), "omf");
  EXPECT_THAT(Stored(), ElementsAre("x", "y"));
}

TEST_F(FateTest, ALogThatIsDestroyedWithCommitsUnderWayIsAsAfterACrash) {
  region_->SetFate(Fate::kHold, 2);
  Begin();
  log_ = nullptr;
  region_->Continue();
  EXPECT_EQ(Outcomes(), "o--");
  EXPECT_THAT(Stored(), ElementsAre("x"));
}

TEST_F(FateTest, ACommitMayBeLetGoFromAnotherThreadThatWaitsForIt) {
  region_->SetFate(Fate::kHold);
  std::thread other([this] {
    region_->AwaitHeld();
    region_->Continue();
  });
  EXPECT_TRUE(testing::CommitOne(*log_, Batch{.payloads = {"x"}}).status.ok());
  other.join();
}

TEST_F(FateTest, AnOpeningThatIsHeldIsDoneWhenItIsLetGo) {
  engine_.HoldOpenings();
  bool is_done = false;
  engine_.OpenRegion(2, {.create = true}, [&](const auto& log) { is_done = log.ok(); });
  EXPECT_FALSE(is_done);
  engine_.LetOpeningsGo();
  EXPECT_TRUE(is_done);
}

}  // namespace
}  // namespace walden
