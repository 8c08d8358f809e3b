#include "server/region/region_registry.h"

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
  // Busy: each look finds that something happened.
  for (int i = 0; i < 5; ++i) {
    TestAppend b({"b"});
    registry_->Submit({1, 5}, &b);
    executor_.RunAll();
    clock_.Advance(RegionRegistry::kIdleBeforeNote);
    registry_->NoteIdle();
    executor_.RunAll();
    EXPECT_EQ(region->notes(), 0);
  }
  clock_.Advance(RegionRegistry::kIdleBeforeNote);
  registry_->NoteIdle();
  executor_.RunAll();
  EXPECT_EQ(region->notes(), 1);
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(RegionRegistry::kIdleBeforeNote);
    registry_->NoteIdle();
    executor_.RunAll();
  }
  EXPECT_EQ(region->notes(), 1) << "an idle region is not woken again";
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

}  // namespace
}  // namespace walden
