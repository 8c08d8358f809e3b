// Regions that are closed, dropped, or make room for others.
#include <atomic>
#include <future>
#include <optional>
#include <thread>

#include "base/thread_pool.h"
#include "tests/unit/server/region/region_registry_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

TEST_F(RegionRegistryTest, ClosingABrokenRegionLetsTheNextCallTryAgain) {
  engine_->Region(5);
  engine_->FailOpening(5, Damaged());
  EXPECT_TRUE(absl::IsDataLoss(Find(5).status()));
  engine_->FailOpening(5, absl::OkStatus());
  EXPECT_TRUE(absl::IsDataLoss(Find(5).status()));
  const absl::StatusOr<bool> was_open = Close(5);
  ASSERT_TRUE(was_open.ok());
  EXPECT_FALSE(*was_open);
  EXPECT_TRUE(Find(5).ok());
}

TEST_F(RegionRegistryTest, TheRegionThatWasNotUsedForLongestIsClosedForTheOneThatIsWanted) {
  options_.max_open_regions = 2;
  Make();
  TestAppend a({"a"}), b({"b"}), again({"a"}), c({"c"}), d({"d"});
  for (auto [region, job] : {std::pair(1, &a), {2, &b}, {1, &again}, {3, &c}, {4, &d}}) {
    registry_->Submit({1, static_cast<RegionId>(region)}, job);
    executor_.RunAll();
    EXPECT_TRUE(job->result().status.ok()) << job->result().status;
    EXPECT_LE(registry_->open_regions(), 2u);
  }
  EXPECT_THAT(events_.closed, ElementsAre(2, 1));
  EXPECT_EQ(engine_->Region(1)->Payloads(1).size(), 2u);
}

TEST_F(RegionRegistryTest, RegionsInUseAreNotClosedAndMoreAreRefusedAfterAWhile) {
  options_.max_open_regions = 2;
  Make();
  TestAppend a({"a"}), b({"b"}), c({"c"}), later({"c"});
  registry_->Submit({1, 1}, &a);
  registry_->Submit({1, 2}, &b);
  executor_.RunAll();
  FoundActor reader = Find(1);
  const FoundActor follower = Find(2);
  registry_->Submit({1, 3}, &c);
  executor_.RunAll();
  registry_->Tick();
  EXPECT_EQ(c.answers, 0) << "somebody may be about to let go";
  clock_.Advance(options_.room_wait);
  registry_->Tick();
  EXPECT_TRUE(HasReason(c.result().status, ErrorReason::kTooManyRegions));
  EXPECT_TRUE(events_.closed.empty());
  registry_->Submit({1, 3}, &later);
  executor_.RunAll();
  reader = absl::UnknownError("the reader is gone");
  registry_->Tick();
  executor_.RunAll();
  EXPECT_TRUE(later.result().status.ok());
  EXPECT_THAT(events_.closed, ElementsAre(1));
}

TEST_F(RegionRegistryTest, AnAppendToARegionThatIsBeingClosedForAnotherComesThrough) {
  options_.max_open_regions = 1;
  Make();
  TestAppend a({"a"}), b({"b"}), again({"a"});
  registry_->Submit({1, 1}, &a);
  executor_.RunAll();
  registry_->Submit({1, 2}, &b);
  registry_->Submit({1, 1}, &again);
  executor_.RunAll();
  registry_->Tick();
  executor_.RunAll();
  EXPECT_TRUE(b.result().status.ok());
  EXPECT_TRUE(again.result().status.ok());
  EXPECT_EQ(again.first(), 2u);
  EXPECT_EQ(registry_->open_regions(), 1u);
}

TEST_F(RegionRegistryTest, ShuttingDownAnswersWhatWaitsForRoom) {
  options_.max_open_regions = 1;
  Make();
  TestAppend a({"a"}), b({"b"});
  registry_->Submit({1, 1}, &a);
  executor_.RunAll();
  const FoundActor reader = Find(1);
  registry_->Submit({1, 2}, &b);
  std::optional<absl::Status> closed;
  registry_->CloseAll([&closed](const absl::Status& status) { closed = status; });
  EXPECT_TRUE(HasReason(b.result().status, ErrorReason::kShuttingDown));
  executor_.RunAll();
  EXPECT_TRUE(closed->ok());
}

TEST_F(RegionRegistryTest, AnAppendDuringClosingGoesToTheReopenedRegion) {
  TestAppend before({"a"}), during({"b"});
  registry_->Submit({1, 5}, &before);
  executor_.RunAll();
  std::optional<absl::StatusOr<bool>> closed;
  registry_->Close({1, 5}, [&closed](absl::StatusOr<bool> result) { closed = result; });
  registry_->Submit({1, 5}, &during);
  EXPECT_FALSE(closed.has_value());
  executor_.RunAll();
  EXPECT_TRUE(**closed);
  EXPECT_TRUE(during.result().status.ok());
  EXPECT_EQ(during.first(), 2u);
  EXPECT_EQ(engine_->openings(), 2);
  EXPECT_EQ(registry_->open_regions(), 1u);
}

TEST_F(RegionRegistryTest, ClosingBringsAFailedRegionBack) {
  TestAppend first({"a"}), failing({"b"}), refused({"c"}), accepted({"d"});
  registry_->Submit({1, 5}, &first);
  executor_.RunAll();
  engine_->Region(5)->SetFate(MemoryRegion::Fate::kFail);
  registry_->Submit({1, 5}, &failing);
  executor_.RunAll();
  registry_->Submit({1, 5}, &refused);
  executor_.RunAll();
  EXPECT_TRUE(HasReason(refused.result().status, ErrorReason::kRegionFailed));
  const auto listed = registry_->List(*registry_->namespaces().Find(1));
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->front().state, RegionListing::State::kFailed);
  EXPECT_TRUE(*Close(5));
  registry_->Submit({1, 5}, &accepted);
  executor_.RunAll();
  EXPECT_TRUE(accepted.result().status.ok());
}

TEST_F(RegionRegistryTest, DroppingTakesEverythingWithIt) {
  TestAppend before({"a"}), after({"b"});
  registry_->Submit({1, 5}, &before);
  executor_.RunAll();
  std::optional<absl::StatusOr<bool>> dropped;
  registry_->Drop({1, 5}, [&dropped](absl::StatusOr<bool> result) { dropped = result; });
  registry_->Submit({1, 5}, &after);
  executor_.RunAll();
  EXPECT_TRUE(**dropped);
  EXPECT_EQ(after.first(), 1u) << "a new region with new numbers";
  EXPECT_THAT(engine_->Region(5)->Payloads(1), ElementsAre("b"));
}

TEST_F(RegionRegistryTest, DroppingWhatIsNotThereSaysSo) {
  std::optional<absl::StatusOr<bool>> dropped;
  registry_->Drop({1, 5}, [&dropped](absl::StatusOr<bool> result) { dropped = result; });
  executor_.RunAll();
  EXPECT_FALSE(**dropped);
  EXPECT_EQ(registry_->open_regions(), 0u);
}

TEST_F(RegionRegistryTest, ABrokenRegionCanBeDroppedAndVerified) {
  engine_->Region(5);
  engine_->FailOpening(5, Damaged());
  EXPECT_FALSE(Find(5).ok());
  std::vector<DamagedRange> findings;
  const absl::Status verified = registry_->VerifyBroken({1, 5}, [&](const VerifyProgress& p) {
    findings.insert(findings.end(), p.findings.begin(), p.findings.end());
    return true;
  });
  EXPECT_TRUE(verified.ok());
  EXPECT_EQ(findings.size(), 1u);
  std::optional<absl::StatusOr<bool>> dropped;
  registry_->Drop({1, 5}, [&dropped](absl::StatusOr<bool> result) { dropped = result; });
  executor_.RunAll();
  EXPECT_TRUE(**dropped);
  EXPECT_EQ(*Find(5), nullptr);
}

TEST_F(RegionRegistryTest, ClosingAllAnswersWhatWaitsAndRefusesTheRest) {
  TestAppend open({"a"}), opening({"b"}), late({"c"});
  registry_->Submit({1, 1}, &open);
  executor_.RunAll();
  TestAppend waiting({"d"});
  registry_->Submit({1, 1}, &waiting);
  registry_->Submit({1, 2}, &opening);
  std::optional<absl::Status> closed;
  registry_->CloseAll([&closed](const absl::Status& status) { closed = status; });
  registry_->Submit({1, 1}, &late);
  EXPECT_TRUE(HasReason(late.result().status, ErrorReason::kShuttingDown));
  executor_.RunAll();
  ASSERT_TRUE(closed.has_value());
  EXPECT_TRUE(closed->ok());
  EXPECT_TRUE(waiting.result().status.ok());
  EXPECT_TRUE(opening.result().status.ok());
  EXPECT_THAT(events_.closed, ::testing::UnorderedElementsAre(1, 2));
  EXPECT_EQ(registry_->open_regions(), 0u);
}

// Real threads: appends, closes and drops of the same few regions race.
TEST(RegionRegistryRaceTest, EveryJobIsAnsweredOnceWhateverIsClosedMeanwhile) {
  struct CountedAppend final : AppendJob {
    explicit CountedAppend(std::atomic<int>* counter) : answered(counter) {
      batch.tables = {{.table = 1, .payloads = {"x"}}};
      payload_bytes = 1;
    }
    void OnAnswered() override {
      EXPECT_TRUE(batch.result.status.ok()) << batch.result.status;
      answered->fetch_add(1);
      delete this;
    }
    std::atomic<int>* answered;
  };

  Statistics statistics;
  RegionEvents events;
  ThreadPool actors("actor", 2);
  ThreadPool background("opener", 2);
  NamespaceSet namespaces;
  auto ns = std::make_unique<Namespace>();
  ns->id = 1;
  auto engine = std::make_unique<MemoryEngine>();
  MemoryEngine* const memory = engine.get();
  ns->engine = std::move(engine);
  namespaces.Add(std::move(ns));
  RegionRegistry registry({}, std::move(namespaces),
                          {Clock::Real(), &actors, &background, &statistics, &events});

  constexpr int kThreads = 3;
  constexpr int kAppends = 3000;
  constexpr int kRegions = 3;
  std::atomic<int> answered{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kAppends; ++i) {
        LeadingTurn lead;
        registry.Submit({1, static_cast<RegionId>(i % kRegions)}, new CountedAppend(&answered),
                        t == 0 ? &lead : nullptr);
        lead.Run(1);
      }
    });
  }
  std::thread closer([&] {
    for (int i = 0; !stop; ++i) {
      std::promise<void> closed;
      registry.Close({1, static_cast<RegionId>(i % kRegions)}, [&closed](absl::StatusOr<bool> r) {
        EXPECT_TRUE(r.ok());
        closed.set_value();
      });
      closed.get_future().wait();
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  closer.join();
  std::promise<void> all_closed;
  registry.CloseAll([&all_closed](const absl::Status&) { all_closed.set_value(); });
  all_closed.get_future().wait();
  actors.Stop();
  background.Stop();
  EXPECT_EQ(answered, kThreads * kAppends);
  size_t stored = 0;
  for (RegionId id = 0; id < kRegions; ++id) stored += memory->Region(id)->Payloads(1).size();
  EXPECT_EQ(stored, static_cast<size_t>(kThreads * kAppends));
}

}  // namespace
}  // namespace walden
