// What the engine in memory has beside other engines: faults that a test injects. The conformance
// suite holds it to the rest.
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

// Commits of one node that are under way when another one takes the log over. What the first one
// begins is done when the test says so.
class LostTest : public ::testing::Test {
 protected:
  LostTest() {
    a = Open(a_);
    b = Open(b_);
    EXPECT_TRUE(Acquire(*a, {}).ok());
  }

  MemoryEngineOptions Node(const std::string& name, Executor* executor) {
    return {.store = store_,
            .identity = name,
            .address = name + ":1",
            .owns_by_opening = false,
            .executor = executor};
  }

  std::unique_ptr<RegionLog> Open(MemoryEngine& engine) {
    std::unique_ptr<RegionLog> log;
    engine.OpenRegion(1, {.create = true}, [&](auto opened) { log = *std::move(opened); });
    queue_.RunAll();
    return log;
  }

  absl::Status Acquire(RegionLog& log, const AcquireRequest& request) {
    absl::Status status = absl::UnknownError("not done");
    log.Acquire(request, [&](const absl::Status& outcome) { status = outcome; });
    queue_.RunAll();
    return status;
  }
  void TakeOver() { EXPECT_TRUE(Acquire(*b, {.region_version = 1}).ok()); }

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
  const std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  MemoryEngine a_{Node("a", &queue_)}, b_{Node("b", nullptr)};
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
