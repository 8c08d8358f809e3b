// The start of a daemon, namespaces that open late, and what is opened again by itself.
#include <optional>

#include "tests/unit/server/region/region_registry_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

TEST_F(RegionRegistryTest, OpeningAllTellsWhatWasFound) {
  for (RegionId id : {1, 2, 3}) engine_->Region(id);
  engine_->FailOpening(2, Damaged());
  std::optional<StartSummary> summary;
  registry_->OpenAll([&summary](const StartSummary& found) { summary = found; });
  executor_.RunAll();
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->regions, 2u);
  EXPECT_EQ(summary->broken, 1u);
}

TEST_F(RegionRegistryTest, ARegionThatIsAskedForIsOpenedBeforeTheRestOfTheStart) {
  for (RegionId id = 1; id <= 10; ++id) engine_->Region(id);
  std::vector<RegionId> opened;
  engine_->SetInOpening([&opened](RegionId region) { opened.push_back(region); });
  std::optional<StartSummary> summary;
  registry_->OpenAll([&summary](const StartSummary& found) { summary = found; });
  ASSERT_TRUE(executor_.RunOne()) << "lists";
  TestAppend wanted({"a"});
  registry_->Submit({1, 9}, &wanted);
  EXPECT_EQ(registry_->start_progress().regions_to_scan, 10u);
  ASSERT_TRUE(executor_.RunOne());
  ASSERT_TRUE(executor_.RunOne());
  EXPECT_THAT(opened, ElementsAre(1, 9));
  EXPECT_FALSE(summary.has_value());
  executor_.RunAll();
  EXPECT_TRUE(wanted.result().status.ok());
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->regions, 10u);
  EXPECT_EQ(registry_->start_progress().regions_to_scan, 0u);
}

TEST_F(RegionRegistryTest, TheStartOpensNoMoreRegionsThanMayBeOpenAndClosesNoneForThem) {
  options_.max_open_regions = 3;
  Make();
  for (RegionId id = 1; id <= 10; ++id) engine_->Region(id);
  std::optional<StartSummary> summary;
  registry_->OpenAll([&summary](const StartSummary& found) { summary = found; });
  executor_.RunAll();
  EXPECT_EQ(summary->regions, 3u);
  EXPECT_EQ(summary->not_opened, 7u);
  EXPECT_TRUE(events_.closed.empty());
  EXPECT_TRUE(Find(10).ok());
  EXPECT_EQ(events_.closed.size(), 1u);
}

TEST_F(RegionRegistryTest, ALateNamespaceIsWaitedForAndItsFailureIsNotRemembered) {
  auto ns = std::make_unique<Namespace>();
  ns->id = 2;
  ns->name = "late";
  auto late = std::make_unique<LateEngine>("memory");
  LateEngine* const engine = late.get();
  ns->late = engine;
  ns->engine = std::move(late);
  Make(std::move(ns));
  std::optional<StartSummary> summary;
  registry_->OpenAll([&summary](const StartSummary& found) { summary = found; });
  TestAppend early({"a"}), refused({"b"}), accepted({"c"}), elsewhere({"d"});
  registry_->Submit({2, 1}, &early);
  registry_->Submit({1, 1}, &elsewhere);
  executor_.RunAll();
  EXPECT_TRUE(elsewhere.result().status.ok()) << "other namespaces do not wait";
  EXPECT_EQ(early.answers, 0);
  EXPECT_FALSE(summary.has_value());
  EXPECT_EQ(registry_->start_progress().namespaces_to_open, 1u);
  const absl::Status why =
      MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, "LOCK: permission denied");
  engine->SetFailed(why);
  registry_->NamespaceFailed(*registry_->namespaces().Find(2), why);
  executor_.RunAll();
  EXPECT_TRUE(HasReason(early.result().status, ErrorReason::kIoError));
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(registry_->NamespaceFailures().size(), 1u);
  registry_->Submit({2, 1}, &refused);
  executor_.RunAll();
  EXPECT_TRUE(HasReason(refused.result().status, ErrorReason::kIoError));
  engine->SetOpen(std::make_unique<MemoryEngine>());
  registry_->NamespaceOpened(*registry_->namespaces().Find(2));
  registry_->Submit({2, 1}, &accepted);
  executor_.RunAll();
  EXPECT_TRUE(accepted.result().status.ok());
  EXPECT_TRUE(registry_->NamespaceFailures().empty());
}

TEST_F(RegionRegistryTest, ShuttingDownDoesNotWaitForALateNamespace) {
  auto ns = std::make_unique<Namespace>();
  ns->id = 2;
  auto late = std::make_unique<LateEngine>("memory");
  LateEngine* const engine = late.get();
  ns->late = engine;
  ns->engine = std::move(late);
  Make(std::move(ns));
  TestAppend waiting({"a"});
  registry_->Submit({2, 1}, &waiting);
  executor_.RunAll();
  std::optional<absl::Status> closed;
  registry_->CloseAll([&closed](const absl::Status& status) { closed = status; });
  executor_.RunAll();
  EXPECT_TRUE(HasReason(waiting.result().status, ErrorReason::kShuttingDown));
  EXPECT_TRUE(closed.has_value());
  engine->SetOpen(std::make_unique<MemoryEngine>());
  executor_.RunAll();
}

TEST_F(RegionRegistryTest, ANamespaceWhoseRegionsCannotBeListedIsListedAgain) {
  engine_->Region(1);
  engine_->FailListing(
      MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, "readdir: EIO"));
  registry_->OpenAll([](const StartSummary&) {});
  executor_.RunAll();
  EXPECT_EQ(registry_->NamespaceFailures().size(), 1u);
  engine_->FailListing(absl::OkStatus());
  clock_.Advance(options_.reopen.backoff);
  registry_->Tick();
  executor_.RunAll();
  EXPECT_TRUE(registry_->NamespaceFailures().empty());
  EXPECT_EQ(registry_->open_regions(), 1u);
}

// Fails the region's next commit, and that append with it.

TEST_F(RegionRegistryTest, AFailedRegionIsReopenedByItselfAfterGrowingWaits) {
  options_.reopen = {.attempts = 3, .backoff = absl::Seconds(1), .longest = absl::Seconds(60)};
  Make();
  ASSERT_TRUE(AppendTo(5).ok());
  for (const absl::Duration wait : {absl::Seconds(1), absl::Seconds(2), absl::Seconds(4)}) {
    FailRegion(5);
    clock_.Advance(wait - absl::Milliseconds(1));
    registry_->Tick();
    executor_.RunAll();
    EXPECT_TRUE(HasReason(AppendTo(5), ErrorReason::kRegionFailed)) << "not yet";
    clock_.Advance(absl::Milliseconds(1));
    registry_->Tick();
    executor_.RunAll();
    EXPECT_TRUE(AppendTo(5).ok());
  }
  EXPECT_EQ(events_.given_up, 0);
  FailRegion(5);
  EXPECT_EQ(events_.given_up, 1);
  clock_.Advance(absl::Hours(24));
  registry_->Tick();
  executor_.RunAll();
  EXPECT_TRUE(HasReason(AppendTo(5), ErrorReason::kRegionFailed)) << "no attempt is left";
  EXPECT_TRUE(*Close(5));
  EXPECT_TRUE(AppendTo(5).ok()) << "but somebody closed it";
}

TEST_F(RegionRegistryTest, ARegionThatStayedOpenForLongHasAllItsAttemptsAgain) {
  options_.reopen.attempts = 1;
  Make();
  ASSERT_TRUE(AppendTo(5).ok());
  for (int i = 0; i < 3; ++i) {
    FailRegion(5);
    clock_.Advance(options_.reopen.backoff);
    registry_->Tick();
    executor_.RunAll();
    ASSERT_TRUE(AppendTo(5).ok());
    clock_.Advance(options_.reopen.recovered_after());
  }
  EXPECT_EQ(events_.given_up, 0);
}

TEST_F(RegionRegistryTest, AReopeningThatSomebodyWasFasterThanClosesNothing) {
  ASSERT_TRUE(AppendTo(5).ok());
  FailRegion(5);
  EXPECT_TRUE(*Close(5));
  ASSERT_TRUE(AppendTo(5).ok());
  const int openings = engine_->openings();
  clock_.Advance(absl::Hours(1));
  registry_->Tick();
  executor_.RunAll();
  EXPECT_TRUE(AppendTo(5).ok());
  EXPECT_EQ(engine_->openings(), openings);
}

TEST_F(RegionRegistryTest, ABrokenRegionIsTriedAgainUnlessItIsDamaged) {
  engine_->Region(5);
  engine_->Region(6);
  engine_->FailOpening(
      5, MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, "read: EIO"));
  engine_->FailOpening(6, Damaged());
  EXPECT_FALSE(Find(5).ok());
  EXPECT_FALSE(Find(6).ok());
  engine_->FailOpening(5, absl::OkStatus());
  engine_->FailOpening(6, absl::OkStatus());
  clock_.Advance(options_.reopen.backoff);
  registry_->Tick();
  executor_.RunAll();
  EXPECT_TRUE(Find(5).ok());
  EXPECT_TRUE(absl::IsDataLoss(Find(6).status()));
}

TEST_F(RegionRegistryTest, AFailedRegionIsNotClosedToMakeRoom) {
  options_.max_open_regions = 1;
  options_.reopen.attempts = 0;
  Make();
  ASSERT_TRUE(AppendTo(5).ok());
  FailRegion(5);
  TestAppend other({"x"});
  registry_->Submit({1, 6}, &other);
  executor_.RunAll();
  clock_.Advance(options_.room_wait);
  registry_->Tick();
  EXPECT_TRUE(HasReason(other.result().status, ErrorReason::kTooManyRegions));
}

}  // namespace
}  // namespace walden
