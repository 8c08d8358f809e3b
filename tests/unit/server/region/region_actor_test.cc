#include "server/region/region_actor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/support/memory_engine/memory_engine.h"
#include "tests/unit/server/region/jobs.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

class RecordingHost final : public ActorHost {
 public:
  void OnUnsynced(std::shared_ptr<RegionActor> actor) override { unsynced.push_back(actor); }
  void OnFailed(const RegionKey&, const absl::Status& why) override { failures.push_back(why); }

  std::vector<std::shared_ptr<RegionActor>> unsynced;
  std::vector<absl::Status> failures;
};

class RegionActorTest : public ::testing::Test {
 protected:
  RegionActorTest() : region_(engine_.Region(1)) {
    options_.key = {1, 1};
    Open();
  }

  void Open() {
    actor_ = std::make_shared<RegionActor>(
        options_, *OpenRegionAndWait(engine_, 1, region_options_, true),
        ActorEnvironment{&executor_, &host_, &statistics_, &leaders_});
  }

  MemoryEngine engine_;
  std::shared_ptr<MemoryRegion> region_;
  ManualExecutor executor_;
  RecordingHost host_;
  Statistics statistics_;
  LeaderSlots leaders_{1};
  ActorOptions options_;
  RegionOptions region_options_;
  std::shared_ptr<RegionActor> actor_;
};

TEST_F(RegionActorTest, AppendsThatWaitTogetherAreOneCommit) {
  TestAppend a({"a"}), b({"b", "c"}), c({"d"});
  for (TestAppend* job : {&a, &b, &c}) ASSERT_TRUE(actor_->Post(job));
  EXPECT_EQ(executor_.waiting(), 1u) << "one turn, however many jobs";
  EXPECT_EQ(a.answers, 0) << "posting does not block";
  executor_.RunAll();
  EXPECT_THAT(region_->GroupSizes(), ElementsAre(3));
  EXPECT_THAT(region_->Payloads(1), ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(a.first(), 1u);
  EXPECT_EQ(b.first(), 2u);
  EXPECT_EQ(b.last(), 3u);
  EXPECT_EQ(c.answers, 1);
  EXPECT_EQ(statistics_.appended_records, 4u);
  EXPECT_EQ(statistics_.commits, 1u);
}

TEST_F(RegionActorTest, AnAppendThatNobodyWaitsForAnyMoreIsNotWritten) {
  TestAppend a({"a"}), cancelled({"b"}), late({"c"}), d({"d"}), alone({"e"});
  for (TestAppend* job : {&a, &cancelled, &late, &d}) ASSERT_TRUE(actor_->Post(job));
  cancelled.abandoned = absl::CancelledError("while it waited");
  late.abandoned = absl::DeadlineExceededError("while it waited");
  executor_.RunAll();
  EXPECT_THAT(region_->Payloads(1), ElementsAre("a", "d"));
  EXPECT_TRUE(absl::IsCancelled(cancelled.result().status));
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.result().status));
  EXPECT_EQ(d.first(), 2u);
  alone.abandoned = absl::CancelledError("while it waited");
  ASSERT_TRUE(actor_->Post(&alone));
  executor_.RunAll();
  EXPECT_EQ(alone.answers, 1);
  EXPECT_THAT(region_->GroupSizes(), ElementsAre(2)) << "nothing was left to commit";
}

TEST_F(RegionActorTest, AGroupIsClosedWhenItHasEnoughBytes) {
  options_.max_group_bytes = 4;
  Open();
  TestAppend a({"aaa"}), b({"b"}), c({"c"}), large({"larger than a group"});
  for (TestAppend* job : {&a, &b, &c, &large}) ASSERT_TRUE(actor_->Post(job));
  executor_.RunAll();
  EXPECT_THAT(region_->GroupSizes(), ElementsAre(2, 1, 1));
}

TEST_F(RegionActorTest, JobsTakeEffectInTheOrderPosted) {
  TestAppend before({"a", "b"}), after({"c"});
  TestMarkDeleted mark(1, 100);
  TestSync sync;
  ASSERT_TRUE(actor_->Post(&before));
  ASSERT_TRUE(actor_->Post(&mark));
  ASSERT_TRUE(actor_->Post(&sync));
  ASSERT_TRUE(actor_->Post(&after));
  executor_.RunAll();
  EXPECT_EQ(mark.result->front(), 2u) << "the append before it is stored, the one behind it is not";
  EXPECT_THAT(region_->GroupSizes(), ElementsAre(1, 1));
  EXPECT_EQ(sync.answers, 1);
  EXPECT_TRUE(sync.result.ok());
}

TEST_F(RegionActorTest, AJobPostedWhileAnsweringIsWorkedOff) {
  TestAppend first({"a"}), second({"b"});
  first.on_answered = [&] { ASSERT_TRUE(actor_->Post(&second)); };
  ASSERT_TRUE(actor_->Post(&first));
  executor_.RunAll();
  EXPECT_EQ(second.answers, 1);
  EXPECT_THAT(region_->GroupSizes(), ElementsAre(1, 1));
}

TEST_F(RegionActorTest, ARefusedBatchDoesNotHurtItsNeighbours) {
  TestAppend good({"a"}), refused({"b"}), also_good({"c"});
  refused.batch.tables[0].expected_next_sequence = 77;
  for (TestAppend* job : {&good, &refused, &also_good}) ASSERT_TRUE(actor_->Post(job));
  executor_.RunAll();
  EXPECT_TRUE(good.result().status.ok());
  EXPECT_TRUE(absl::IsAborted(refused.result().status));
  EXPECT_TRUE(also_good.result().status.ok());
  EXPECT_EQ(statistics_.refused_batches, 1u);
  EXPECT_EQ(statistics_.appended_batches, 2u);
}

TEST_F(RegionActorTest, AThreadThatPostsMayLead) {
  TestAppend a({"a"}), b({"b"});
  LeadingTurn lead;
  ASSERT_TRUE(actor_->Post(&a, &lead));
  ASSERT_TRUE(lead.granted());
  EXPECT_EQ(executor_.waiting(), 0u);
  ASSERT_TRUE(actor_->Post(&b)) << "joins the turn that was granted";
  lead.Run(/*max_groups=*/1);
  EXPECT_THAT(region_->GroupSizes(), ElementsAre(2));
  EXPECT_EQ(a.answers + b.answers, 2);
}

TEST_F(RegionActorTest, ALeaderHandsOverWhatIsLeft) {
  TestAppend first({"a"}), second({"b"});
  first.on_answered = [&] { ASSERT_TRUE(actor_->Post(&second)); };
  LeadingTurn lead;
  ASSERT_TRUE(actor_->Post(&first, &lead));
  lead.Run(/*max_groups=*/1);
  EXPECT_EQ(second.answers, 0);
  executor_.RunAll();
  EXPECT_EQ(second.answers, 1);
}

TEST_F(RegionActorTest, NoMoreThreadsLeadThanThereAreSlots) {
  ASSERT_TRUE(leaders_.TryEnter());
  TestAppend a({"a"});
  LeadingTurn lead;
  ASSERT_TRUE(actor_->Post(&a, &lead));
  EXPECT_FALSE(lead.granted());
  executor_.RunAll();
  EXPECT_EQ(a.answers, 1);
}

TEST_F(RegionActorTest, AGrantedTurnThatIsNotRunGoesToTheExecutor) {
  TestAppend a({"a"});
  {
    LeadingTurn lead;
    ASSERT_TRUE(actor_->Post(&a, &lead));
  }
  executor_.RunAll();
  EXPECT_EQ(a.answers, 1);
  EXPECT_TRUE(leaders_.TryEnter()) << "the slot is free again";
}

TEST_F(RegionActorTest, GoesOnWhenACommitIsAnsweredLater) {
  region_options_.max_commits_under_way = 1;
  Open();
  region_->SetFate(MemoryRegion::Fate::kAnswerLater);
  TestAppend first({"a"}), second({"b"});
  ASSERT_TRUE(actor_->Post(&first));
  executor_.RunAll();
  ASSERT_TRUE(actor_->Post(&second));
  executor_.RunAll();
  EXPECT_EQ(first.answers + second.answers, 0) << "nothing starts before the commit is done";
  std::weak_ptr<RegionActor> weak = actor_;
  actor_ = nullptr;
  EXPECT_FALSE(weak.expired()) << "the commit keeps the actor";
  std::thread(&MemoryRegion::Continue, region_.get()).join();
  executor_.RunAll();
  EXPECT_EQ(first.answers, 1);
  EXPECT_EQ(second.answers, 1);
  EXPECT_TRUE(weak.expired());
}

TEST_F(RegionActorTest, AFailedCommitIsToldOnceAndReadsGoOn) {
  region_->SetFate(MemoryRegion::Fate::kFail);
  TestAppend a({"a"}), b({"b"});
  ASSERT_TRUE(actor_->Post(&a));
  executor_.RunAll();
  ASSERT_TRUE(actor_->Post(&b));
  executor_.RunAll();
  EXPECT_TRUE(HasReason(a.result().status, ErrorReason::kWriteFailed));
  EXPECT_TRUE(HasReason(b.result().status, ErrorReason::kRegionFailed));
  EXPECT_EQ(host_.failures.size(), 1u);
  EXPECT_TRUE(actor_->log().NewReader(ReadRange{}).ok());
}

TEST_F(RegionActorTest, ClosingAnswersWhatWaitsAndRefusesTheRest) {
  TestAppend before({"a"}), after({"b"});
  ASSERT_TRUE(actor_->Post(&before));
  std::optional<absl::Status> closed;
  actor_->Close([&](const absl::Status& status) {
    EXPECT_EQ(before.answers, 1);
    closed = status;
  });
  EXPECT_FALSE(actor_->Post(&after));
  EXPECT_FALSE(actor_->closed());
  executor_.RunAll();
  ASSERT_TRUE(closed.has_value());
  EXPECT_TRUE(closed->ok());
  EXPECT_TRUE(actor_->closed());
  EXPECT_EQ(after.answers, 0);
}

TEST_F(RegionActorTest, UnsyncedRecordsAreToldOncePerInterval) {
  TestAppend a({"a"}), b({"b"}), c({"c"});
  for (TestAppend* job : {&a, &b, &c}) job->batch.durability = Durability::kBuffered;
  ASSERT_TRUE(actor_->Post(&a));
  executor_.RunAll();
  ASSERT_TRUE(actor_->Post(&b));
  executor_.RunAll();
  EXPECT_EQ(host_.unsynced.size(), 1u);
  actor_->PostTimedSync();
  executor_.RunAll();
  EXPECT_FALSE(actor_->log().HasUnsynced());
  actor_->PostTimedSync();
  EXPECT_EQ(executor_.waiting(), 0u) << "nothing to sync";
  ASSERT_TRUE(actor_->Post(&c));
  executor_.RunAll();
  EXPECT_EQ(host_.unsynced.size(), 2u);
}

struct CountingTailWaiter final : TailWaiter {
  void OnVisible() override { ++wakes; }
  int wakes = 0;
};

TEST_F(RegionActorTest, WakesThoseWhoWaitForTheTableOnce) {
  CountingTailWaiter same, other;
  TailWaiters& tail_waiters = actor_->tail_waiters();
  ASSERT_TRUE(tail_waiters.Wait(1, &same, tail_waiters.version()));
  ASSERT_TRUE(tail_waiters.Wait(2, &other, tail_waiters.version()));
  TestAppend a({"a"}), b({"b"});
  a.on_answered = [&] { EXPECT_EQ(same.wakes, 1) << "visible before it is answered"; };
  ASSERT_TRUE(actor_->Post(&a));
  executor_.RunAll();
  ASSERT_TRUE(actor_->Post(&b));
  executor_.RunAll();
  EXPECT_EQ(same.wakes, 1);
  EXPECT_EQ(other.wakes, 0);
  actor_->Close([](const absl::Status&) {});
  executor_.RunAll();
  EXPECT_EQ(other.wakes, 1) << "closing wakes everybody";
}

TEST_F(RegionActorTest, ABatchOverSeveralTablesWakesThoseWhoWaitForAnyOfThem) {
  CountingTailWaiter first, second, other;
  TailWaiters& tail_waiters = actor_->tail_waiters();
  ASSERT_TRUE(tail_waiters.Wait(1, &first, tail_waiters.version()));
  ASSERT_TRUE(tail_waiters.Wait(2, &second, tail_waiters.version()));
  ASSERT_TRUE(tail_waiters.Wait(3, &other, tail_waiters.version()));
  TestAppend append({"a"});
  append.batch.tables.push_back({.table = 2, .payloads = {"b"}});
  ASSERT_TRUE(actor_->Post(&append));
  executor_.RunAll();
  EXPECT_TRUE(append.result().status.ok()) << append.result().status;
  EXPECT_EQ(first.wakes, 1);
  EXPECT_EQ(second.wakes, 1);
  EXPECT_EQ(other.wakes, 0);
  EXPECT_TRUE(tail_waiters.Cancel(3, &other));
}

TEST_F(RegionActorTest, NothingIsMissedBetweenLookingAndWaiting) {
  TailWaiters& tail_waiters = actor_->tail_waiters();
  const uint64_t seen = tail_waiters.version();
  TestAppend a({"a"});
  ASSERT_TRUE(actor_->Post(&a));
  executor_.RunAll();
  CountingTailWaiter waiter;
  EXPECT_FALSE(tail_waiters.Wait(1, &waiter, seen));
  EXPECT_FALSE(tail_waiters.Cancel(1, &waiter));
}

}  // namespace
}  // namespace walden
