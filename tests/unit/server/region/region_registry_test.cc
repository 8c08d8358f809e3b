#include "server/region/region_registry.h"

#include <atomic>
#include <future>
#include <optional>
#include <thread>

#include "base/thread_pool.h"
#include "tests/unit/server/region/region_registry_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

TEST_F(RegionRegistryTest, AppendsThatWaitForOpeningKeepTheirOrder) {
  TestAppend a({"a"}), b({"b"}), c({"c"});
  registry_->Submit({1, 5}, &a);
  registry_->Submit({1, 5}, &b);
  EXPECT_EQ(a.answers, 0);
  ASSERT_TRUE(executor_.RunOne()) << "opens";
  registry_->Submit({1, 5}, &c);
  executor_.RunAll();
  EXPECT_THAT(engine_->Region(5)->Payloads(1), ElementsAre("a", "b", "c"));
  EXPECT_EQ(engine_->openings(), 1);
  EXPECT_EQ(registry_->mailbox_budget().used(), 0u);
}

TEST_F(RegionRegistryTest, OnlyAppendsCreateARegion) {
  TestMarkDeleted mark(1, 10);
  TestSync sync;
  registry_->Submit({1, 5}, &mark);
  registry_->Submit({1, 5}, &sync);
  executor_.RunAll();
  EXPECT_EQ(mark.result->front(), 0u);
  EXPECT_TRUE(sync.result.ok());
  const FoundActor found = Find(5);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, nullptr);
  EXPECT_TRUE(engine_->ListRegions()->empty());
  EXPECT_EQ(registry_->open_regions(), 0u);
}

TEST_F(RegionRegistryTest, AMarkWithARegionVersionCreatesTheRegionThatItFences) {
  TestMarkDeleted mark(1, 10);
  mark.region_version = 7;
  registry_->Submit({1, 5}, &mark);
  executor_.RunAll();
  EXPECT_EQ(mark.result->front(), 0u);
  EXPECT_EQ(registry_->open_regions(), 1u);
  TestAppend zombie({"a"});
  zombie.batch.region_version = 6;
  registry_->Submit({1, 5}, &zombie);
  executor_.RunAll();
  EXPECT_TRUE(HasReason(zombie.result().status, ErrorReason::kFenced)) << zombie.result().status;
}

TEST_F(RegionRegistryTest, AnIdleRegionNotesWhatIsDurableOnce) {
  const auto region = engine_->Region(5);
  TestAppend a({"a"});
  registry_->Submit({1, 5}, &a);
  executor_.RunAll();
  const auto notes = [&] {
    absl::MutexLock lock(&region->mutex);
    return region->notes;
  };
  // Busy: each look finds that something happened.
  for (int i = 0; i < 5; ++i) {
    TestAppend b({"b"});
    registry_->Submit({1, 5}, &b);
    executor_.RunAll();
    clock_.Advance(RegionRegistry::kIdleBeforeNote);
    registry_->NoteIdle();
    executor_.RunAll();
    EXPECT_EQ(notes(), 0);
  }
  clock_.Advance(RegionRegistry::kIdleBeforeNote);
  registry_->NoteIdle();
  executor_.RunAll();
  EXPECT_EQ(notes(), 1);
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(RegionRegistry::kIdleBeforeNote);
    registry_->NoteIdle();
    executor_.RunAll();
  }
  EXPECT_EQ(notes(), 1) << "an idle region is not woken again";
}

TEST_F(RegionRegistryTest, AnAppendThatComesWhileAReaderLooksStillCreates) {
  FoundActor found = absl::UnknownError("not called");
  registry_->Find({1, 5}, [&found](FoundActor actor) { found = std::move(actor); });
  engine_->SetInOpening([this](RegionId) { engine_->SetInOpening(nullptr); });
  TestAppend a({"a"});
  registry_->Submit({1, 5}, &a);
  executor_.RunAll();
  EXPECT_TRUE(a.result().status.ok());
  ASSERT_TRUE(found.ok());
  EXPECT_NE(*found, nullptr);
}

TEST_F(RegionRegistryTest, AnAppendThatComesDuringAFruitlessOpeningOpensAgain) {
  TestAppend a({"a"});
  engine_->SetInOpening([this, &a](RegionId region) {
    engine_->SetInOpening(nullptr);
    registry_->Submit({1, region}, &a);  // after the opening decided not to create
  });
  FoundActor found = absl::UnknownError("not called");
  registry_->Find({1, 5}, [&found](FoundActor actor) { found = std::move(actor); });
  executor_.RunAll();
  EXPECT_TRUE(a.result().status.ok());
  ASSERT_TRUE(found.ok());
  EXPECT_NE(*found, nullptr);
  EXPECT_EQ(engine_->openings(), 2);
}

TEST_F(RegionRegistryTest, ABrokenRegionIsRefusedPolitelyAndHurtsNobodyElse) {
  engine_->Region(5);
  engine_->FailOpening(5, Damaged());
  TestAppend waiting({"a"}), later({"b"}), elsewhere({"c"});
  registry_->Submit({1, 5}, &waiting);
  executor_.RunAll();
  registry_->Submit({1, 5}, &later);
  registry_->Submit({1, 6}, &elsewhere);
  executor_.RunAll();
  EXPECT_TRUE(absl::IsDataLoss(waiting.result().status));
  EXPECT_TRUE(HasReason(later.result().status, ErrorReason::kCorruption));
  EXPECT_TRUE(absl::IsDataLoss(Find(5).status()));
  EXPECT_TRUE(elsewhere.result().status.ok());
  EXPECT_EQ(engine_->openings(), 2) << "remembered, not tried again";
  EXPECT_THAT(events_.broken, ElementsAre(5));
}

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

TEST_F(RegionRegistryTest, AFullDiskAtOpeningPassesByItself) {
  engine_->FailOpening(
      5, MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kDiskFull, "no space left"));
  TestAppend refused({"a"}), accepted({"b"});
  registry_->Submit({1, 5}, &refused);
  executor_.RunAll();
  EXPECT_TRUE(HasReason(refused.result().status, ErrorReason::kDiskFull));
  engine_->FailOpening(5, absl::OkStatus());
  registry_->Submit({1, 5}, &accepted);
  executor_.RunAll();
  EXPECT_TRUE(accepted.result().status.ok());
}

TEST_F(RegionRegistryTest, AFullMailboxRefusesAppendsAndNothingElse) {
  options_.mailbox_bytes = 3000;
  Make();
  TestAppend first({std::string(1000, 'x')}), second({std::string(1000, 'y')}), third({"z"});
  registry_->Submit({1, 5}, &first);
  registry_->Submit({1, 5}, &second);
  EXPECT_TRUE(HasReason(second.result().status, ErrorReason::kMailboxFull));
  TestMarkDeleted mark(1, 1);
  registry_->Submit({1, 5}, &mark);
  executor_.RunAll();
  EXPECT_TRUE(first.result().status.ok());
  EXPECT_EQ(mark.result->front(), 1u);
  EXPECT_EQ(registry_->mailbox_budget().used(), 0u);
  registry_->Submit({1, 5}, &third);
  executor_.RunAll();
  EXPECT_TRUE(third.result().status.ok()) << "there is room again";
}

// limits.mailbox_bytes holds the payload of the largest batch, and not always what it takes besides.
TEST_F(RegionRegistryTest, AnAppendThatPassesTheLimitByItselfIsLetInWhenItIsAlone) {
  options_.mailbox_bytes = 1000;
  Make();
  TestAppend small({"x"}), large({std::string(1000, 'y')}), again({std::string(1000, 'z')});
  registry_->Submit({1, 5}, &large);
  registry_->Submit({1, 5}, &small);
  EXPECT_TRUE(HasReason(small.result().status, ErrorReason::kMailboxFull));
  executor_.RunAll();
  EXPECT_TRUE(large.result().status.ok());
  registry_->Submit({1, 5}, &again);
  executor_.RunAll();
  EXPECT_TRUE(again.result().status.ok());
  EXPECT_EQ(registry_->mailbox_budget().used(), 0u);
}

TEST_F(RegionRegistryTest, AppendsOfStreamsAreLetIntoAFullMailbox) {
  options_.mailbox_bytes = 3000;
  Make();
  TestAppend first({std::string(1000, 'x')}), second({std::string(1000, 'y')});
  TestAppend of_stream({std::string(1000, 'z')});
  of_stream.was_slowed = true;
  registry_->Submit({1, 5}, &first);
  EXPECT_TRUE(registry_->mailbox_budget().HasRoom());
  registry_->Submit({1, 5}, &of_stream);
  EXPECT_FALSE(registry_->mailbox_budget().HasRoom()) << "so its stream is not read on";
  registry_->Submit({1, 5}, &second);
  EXPECT_TRUE(HasReason(second.result().status, ErrorReason::kMailboxFull));
  executor_.RunAll();
  EXPECT_TRUE(of_stream.result().status.ok());
  EXPECT_EQ(registry_->mailbox_budget().used(), 0u);
}

TEST_F(RegionRegistryTest, OpeningAProducerCreatesTheRegion) {
  TestOpenProducer producer, fenced;
  producer.region_version = 5;
  registry_->Submit({1, 5}, &producer);
  executor_.RunAll();
  EXPECT_EQ(producer.answers, 1);
  ASSERT_TRUE(producer.result.ok()) << producer.result.status();
  EXPECT_TRUE(Find(5).ok());
  fenced.region_version = 4;
  registry_->Submit({1, 5}, &fenced);
  executor_.RunAll();
  EXPECT_TRUE(HasReason(fenced.result.status(), ErrorReason::kFenced));
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
  {
    absl::MutexLock lock(&engine_->Region(5)->mutex);
    engine_->Region(5)->fail_next_commit = true;
  }
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

TEST_F(RegionRegistryTest, BufferedRecordsAreSyncedAfterTheInterval) {
  TestAppend a({"a"});
  a.batch.durability = Durability::kBuffered;
  registry_->Submit({1, 5}, &a);
  executor_.RunAll();
  registry_->Tick();
  executor_.RunAll();
  EXPECT_TRUE((*Find(5))->log().HasUnsynced()) << "too early";
  clock_.Advance(absl::Milliseconds(11));
  registry_->Tick();
  executor_.RunAll();
  EXPECT_FALSE((*Find(5))->log().HasUnsynced());
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
