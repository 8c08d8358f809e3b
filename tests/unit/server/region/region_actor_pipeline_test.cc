// Commits of a region that are under way at once, and the time that appends wait to be joined.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "server/region/region_actor.h"
#include "tests/support/memory_engine/memory_engine.h"
#include "tests/unit/server/region/jobs.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

class Host final : public ActorHost {
 public:
  void OnUnsynced(std::shared_ptr<RegionActor>) override {}
  void OnFailed(const RegionKey&, const absl::Status&) override { ++failures; }
  void OnLingering(std::shared_ptr<RegionActor>, absl::Duration) override { ++lingers; }

  int failures = 0;
  int lingers = 0;
};

class RegionActorPipelineTest : public ::testing::Test {
 protected:
  void Open(MemoryEngineOptions options, size_t commits) {
    engine_ = std::make_unique<MemoryEngine>(std::move(options));
    region_ = engine_->Region(1);
    absl::StatusOr<std::unique_ptr<RegionLog>> log;
    engine_->OpenRegion(1, {.options = {.max_commits_under_way = commits}, .create = true},
                        [&log](auto opened) { log = std::move(opened); });
    executor_.RunAll();
    ASSERT_TRUE(log.ok()) << log.status();
    ActorOptions actor_options;
    actor_options.key = {1, 1};
    actor_ = std::make_shared<RegionActor>(
        actor_options, *std::move(log),
        ActorEnvironment{&executor_, &host_, &statistics_, &leaders_});
  }
  void Post(TestAppend& job) {
    ASSERT_TRUE(actor_->Post(&job));
    executor_.RunAll();
  }

  ManualExecutor executor_;
  Host host_;
  Statistics statistics_;
  LeaderSlots leaders_{1};
  std::unique_ptr<MemoryEngine> engine_;
  std::shared_ptr<MemoryRegion> region_;
  std::shared_ptr<RegionActor> actor_;
};

TEST_F(RegionActorPipelineTest, BeginsAsManyCommitsAsTheLogAllows) {
  Open({.executor = &executor_}, /*commits=*/2);
  for (int i = 1; i <= 3; ++i) region_->SetFate(MemoryRegion::Fate::kHold, i);
  TestAppend a({"a"}), b({"b"}), c({"c"}), d({"d"});
  for (TestAppend* job : {&a, &b, &c, &d}) Post(*job);
  EXPECT_THAT(region_->GroupSizes(), ElementsAre(1, 1)) << "c and d wait for a place";
  EXPECT_EQ(a.answers + b.answers, 0);
  region_->Continue();
  executor_.RunAll();
  region_->Continue();
  executor_.RunAll();
  EXPECT_THAT(region_->GroupSizes(), ElementsAre(1, 1, 2)) << "c and d are one group";
  for (const TestAppend* job : {&a, &b, &c, &d}) {
    EXPECT_EQ(job->answers, 1);
    EXPECT_TRUE(job->result().status.ok()) << job->result().status;
  }
  EXPECT_EQ(d.first(), 4u);
}

TEST_F(RegionActorPipelineTest, AnswersWaitUntilAnOutcomeIsKnown) {
  Open({.executor = &executor_}, /*commits=*/4);
  region_->SetFate(MemoryRegion::Fate::kLoseAnswer);
  TestAppend a({"a"}), b({"b"});
  Post(a);
  Post(b);
  EXPECT_EQ(a.answers + b.answers, 0) << "b is stored, and must not be told before a";
  region_->Resolve(/*is_stored=*/true);
  executor_.RunAll();
  EXPECT_TRUE(a.answers == 1 && a.result().status.ok()) << a.result().status;
  EXPECT_TRUE(b.answers == 1 && b.result().status.ok()) << b.result().status;
  EXPECT_EQ(host_.failures, 0);
}

TEST_F(RegionActorPipelineTest, NothingSucceedsBehindACommitThatFailed) {
  Open({.executor = &executor_}, /*commits=*/4);
  region_->SetFate(MemoryRegion::Fate::kLoseAnswer);
  TestAppend a({"a"}), b({"b"}), judged({"c"}), late({"d"});
  judged.batch.tables[0].expected_next_sequence = 1;
  Post(a);
  Post(b);
  Post(judged);
  region_->GiveUp(/*is_stored=*/false);
  executor_.RunAll();
  Post(late);
  EXPECT_TRUE(HasReason(a.result().status, ErrorReason::kWriteFailed)) << a.result().status;
  EXPECT_FALSE(b.result().status.ok());
  EXPECT_TRUE(HasReason(judged.result().status, ErrorReason::kRegionFailed))
      << "its number was refused for batches that failed: " << judged.result().status;
  EXPECT_TRUE(HasReason(late.result().status, ErrorReason::kRegionFailed));
  EXPECT_EQ(host_.failures, 1);
}

TEST_F(RegionActorPipelineTest, AMarkIsNotMeantForAppendsThatWereNotAnswered) {
  Open({.executor = &executor_}, /*commits=*/2);
  TestAppend told({"a"}), under_way({"b"});
  Post(told);
  region_->SetFate(MemoryRegion::Fate::kHold);
  Post(under_way);
  TestMarkDeleted mark(1, 100);
  ASSERT_TRUE(actor_->Post(&mark));
  executor_.RunAll();
  EXPECT_EQ(mark.answers, 0) << "it takes effect behind the append";
  region_->Continue();
  executor_.RunAll();
  ASSERT_TRUE(mark.result.ok()) << mark.result.status();
  EXPECT_THAT(*mark.result, ElementsAre(1));
  EXPECT_EQ(actor_->log().Position(1).first, 2u);
}

TEST_F(RegionActorPipelineTest, AppendsWaitAsLongAsTheLogAsksFor) {
  Open({.executor = &executor_, .linger = absl::Milliseconds(5)}, /*commits=*/2);
  TestAppend a({"a"}), b({"b"}), c({"c"});
  Post(a);
  Post(b);
  EXPECT_THAT(region_->GroupSizes(), ElementsAre());
  EXPECT_EQ(host_.lingers, 1);
  actor_->EndLinger();
  executor_.RunAll();
  EXPECT_THAT(region_->GroupSizes(), ElementsAre(2));
  Post(c);
  EXPECT_EQ(host_.lingers, 2);
  TestSync sync;
  ASSERT_TRUE(actor_->Post(&sync));
  executor_.RunAll();
  EXPECT_EQ(c.answers, 1) << "a job that is no append does not wait, nor what is in front of it";
  EXPECT_EQ(sync.answers, 1);
}

TEST_F(RegionActorPipelineTest, AnAppendBehindAJobThatIsNoneDoesNotLinger) {
  Open({.executor = &executor_, .linger = absl::Milliseconds(5)}, /*commits=*/2);
  TestSync sync;
  TestAppend a({"a"});
  ASSERT_TRUE(actor_->Post(&sync));
  ASSERT_TRUE(actor_->Post(&a));
  executor_.RunAll();
  EXPECT_EQ(sync.answers, 1);
  EXPECT_EQ(a.answers, 1) << "nobody was asked to end its waiting";
}

TEST_F(RegionActorPipelineTest, ClosingWaitsForWhatIsUnderWay) {
  Open({.executor = &executor_}, /*commits=*/2);
  region_->SetFate(MemoryRegion::Fate::kHold);
  TestAppend a({"a"}), b({"b"});
  Post(a);
  Post(b);
  bool closed = false;
  actor_->Close([&](const absl::Status&) { closed = true; });
  executor_.RunAll();
  EXPECT_FALSE(closed);
  region_->Continue();
  executor_.RunAll();
  EXPECT_TRUE(closed);
  EXPECT_EQ(a.answers + b.answers, 2);
}

}  // namespace
}  // namespace walden
