// Regions whose logs others can open as well: opening them is not owning them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/entry/entry_codec.h"
#include "server/region/region_registry.h"
#include "tests/support/memory_engine/memory_engine.h"
#include "tests/unit/server/region/jobs.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

class Events final : public RegionEvents {
 public:
  void OnAcquired(const RegionKey& key) override {
    said.push_back(absl::StrCat("acquired ", key.region));
  }
  void OnLost(const RegionKey& key, const std::string& owner) override {
    said.push_back(absl::StrCat("lost ", key.region, " to ", owner));
  }
  void OnFailed(const RegionKey&, const absl::Status&) override { said.push_back("failed"); }
  void OnReopenPlanned(const RegionKey&, uint32_t, uint32_t, absl::Duration) override {
    said.push_back("reopens");
  }
  std::vector<std::string> said;
};

struct TestAcquire final : AcquireJob {
  void OnAnswered() override { ++answers; }
  int answers = 0;
};
struct TestRelease final : ReleaseJob {
  void OnAnswered() override { ++answers; }
  int answers = 0;
};

// A daemon without its callers.
class Node {
 public:
  Node(std::shared_ptr<MemoryStore> store, const std::string& name) {
    NamespaceSet namespaces;
    auto engine = std::make_unique<MemoryEngine>(MemoryEngineOptions{.store = std::move(store),
                                                                     .identity = name,
                                                                     .address = name + ":7070",
                                                                     .owns_by_opening = false,
                                                                     .executor = &executor});
    this->engine = engine.get();
    auto space = std::make_unique<Namespace>();
    space->id = 1;
    space->name = "default";
    space->engine = std::move(engine);
    namespaces.Add(std::move(space));
    registry = std::make_unique<RegionRegistry>(
        RegistryOptions{}, std::move(namespaces),
        RegistryEnvironment{.clock = &clock,
                            .actors = &executor,
                            .background = &executor,
                            .statistics = &statistics,
                            .events = &events,
                            .entries = {.memory = &memory, .loader = &loader}});
  }
  ~Node() { executor.RunAll(); }

  void Do(RegionId region, MailboxJob& job) {
    registry->Submit({1, region}, &job);
    executor.RunAll();
  }
  absl::Status Append(const std::string& text, std::optional<uint64_t> version = std::nullopt) {
    TestAppend job({text});
    job.batch.region_version = version;
    Do(5, job);
    EXPECT_EQ(job.answers, 1);
    return job.result().status;
  }

  ManualExecutor executor;
  ManualExecutor loader;  // of pages
  entry::EntryMemory memory{{}};
  ManualClock clock;
  Statistics statistics;
  Events events;
  MemoryEngine* engine = nullptr;
  std::unique_ptr<RegionRegistry> registry;
};

class RegionOwnershipTest : public ::testing::Test {
 protected:
  static void ExpectElsewhere(const absl::Status& status, const std::string& owner) {
    EXPECT_TRUE(HasReason(status, ErrorReason::kOwnedElsewhere)) << status;
    auto info = GetErrorInfo(status);
    ASSERT_TRUE(info.has_value()) << status;
    EXPECT_EQ(info->metadata["owner"], owner) << status;
  }

  const std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  Node a_{store_, "a"};
  Node b_{store_, "b"};
};

TEST_F(RegionOwnershipTest, TheFirstAppendAcquiresALogThatNobodyOwns) {
  EXPECT_TRUE(a_.Append("one").ok());
  EXPECT_THAT(a_.events.said, ElementsAre("acquired 5"));
  ExpectElsewhere(b_.Append("two"), "a:7070");
  EXPECT_THAT(b_.events.said, ElementsAre());
  EXPECT_THAT(store_->Region(5)->Payloads(1), ElementsAre("one"));
}

TEST_F(RegionOwnershipTest, AHigherRegionVersionTakesALogOverAndTheLoserNeitherWritesNorReopensIt) {
  ASSERT_TRUE(a_.Append("one", 1).ok());
  ASSERT_TRUE(b_.Append("two", 2).ok());
  EXPECT_THAT(b_.events.said, ElementsAre("acquired 5"));
  a_.executor.RunAll();
  EXPECT_TRUE(HasReason(a_.Append("three", 1), ErrorReason::kFenced));
  ExpectElsewhere(a_.Append("four"), "b:7070");
  EXPECT_THAT(a_.events.said, ElementsAre("acquired 5", "lost 5 to b:7070"))
      << "it did not fail, and is not reopened";
  a_.clock.Advance(absl::Hours(1));
  a_.registry->Tick();
  a_.executor.RunAll();
  EXPECT_EQ(a_.engine->openings(), 1);
  ASSERT_TRUE(a_.Append("five", 3).ok());
  EXPECT_THAT(store_->Region(5)->Payloads(1), ElementsAre("one", "two", "five"));
}

TEST_F(RegionOwnershipTest, OnlyTheJobsThatAskedWithTheVersionAreRefused) {
  ASSERT_TRUE(a_.Append("one", 5).ok());
  TestAppend first({"x"}), second({"y"}), newer({"z"});
  newer.batch.region_version = 6;
  TestMarkDeleted mark(1, 1);
  for (MailboxJob* job : std::vector<MailboxJob*>{&first, &mark, &second, &newer}) {
    b_.registry->Submit({1, 5}, job);
  }
  b_.executor.RunAll();
  ExpectElsewhere(first.result().status, "a:7070");
  ExpectElsewhere(second.result().status, "a:7070");
  ExpectElsewhere(mark.result.status(), "a:7070");
  EXPECT_TRUE(newer.result().status.ok()) << newer.result().status;
  EXPECT_EQ(b_.registry->mailbox_budget().used(), 0u);
}

TEST_F(RegionOwnershipTest, AnAppendThatNobodyWaitsForAnyMoreTakesNothingOver) {
  ASSERT_TRUE(a_.Append("one", 5).ok());
  TestAppend cancelled({"x"}), waiting({"y"});
  cancelled.batch.region_version = 6;
  cancelled.abandoned = absl::CancelledError("while it waited");
  for (TestAppend* job : {&cancelled, &waiting}) b_.registry->Submit({1, 5}, job);
  b_.executor.RunAll();
  EXPECT_TRUE(absl::IsCancelled(cancelled.result().status)) << cancelled.result().status;
  ExpectElsewhere(waiting.result().status, "a:7070");
  EXPECT_EQ(store_->Region(5)->owner(), "a:7070");
}

TEST_F(RegionOwnershipTest, AMarkThatNobodyWaitsForOrThatTheDaemonMadeTakesNothingOver) {
  struct Mark final : MarkDeletedJob {
    Mark() { marks = {{1, 1}}; }
    void OnAnswered() override { ++answers; }
    absl::Status Abandoned() const override { return abandoned; }
    bool MayAcquire() const override { return may_acquire; }
    absl::Status abandoned;
    bool may_acquire = true;
    int answers = 0;
  };
  ASSERT_TRUE(a_.Append("one").ok());
  TestRelease release;
  a_.Do(5, release);
  ASSERT_TRUE(release.result.ok()) << release.result;
  Mark abandoned, own, wanted;
  abandoned.abandoned = absl::DeadlineExceededError("while it waited");
  own.may_acquire = false;
  a_.Do(5, abandoned);
  a_.Do(5, own);
  EXPECT_TRUE(absl::IsDeadlineExceeded(abandoned.result.status())) << abandoned.result.status();
  ExpectElsewhere(own.result.status(), "");
  EXPECT_EQ(store_->Region(5)->owner(), "");
  a_.Do(5, wanted);
  EXPECT_TRUE(wanted.result.ok()) << wanted.result.status();
  EXPECT_EQ(store_->Region(5)->owner(), "a:7070");
}

TEST_F(RegionOwnershipTest, PagesOfEntriesOfALogThatWasReleasedAndAcquiredAgainAreMadeAnew) {
  const auto put = [](Node& node, const std::string& key, const std::string& value) {
    const entry::EntryView view{.key = key, .value = value};
    std::string payload(entry::EncodedBytes(view), '\0');
    entry::Encode(view, payload.data());
    TestAppend job({payload});
    job.batch.kind = TableKind::kEntries;
    node.Do(5, job);
    EXPECT_TRUE(job.result().status.ok()) << job.result().status;
  };
  put(a_, "k", "old");
  std::shared_ptr<RegionActor> actor;
  a_.registry->Find({1, 5}, [&](auto found) { actor = *found; });
  a_.executor.RunAll();
  ASSERT_NE(actor, nullptr);
  const auto before = actor->entries().Find(1);
  ASSERT_TRUE(before.ok() && *before != nullptr);
  // Both are begun behind a commit, before the release is done.
  TestRelease release;
  TestAcquire acquire;
  acquire.request.take_over = true;
  TestAppend held({"x"}, /*table=*/2);
  store_->Region(5)->SetFate(MemoryRegion::Fate::kHold);
  a_.registry->Submit({1, 5}, &held);
  a_.registry->Submit({1, 5}, &release);
  a_.registry->Submit({1, 5}, &acquire);
  a_.executor.RunAll();
  EXPECT_EQ(release.answers, 0);
  store_->Region(5)->Continue();
  a_.executor.RunAll();
  ASSERT_TRUE(release.result.ok()) << release.result;
  ASSERT_TRUE(acquire.result.ok()) << acquire.result;
  const auto after = actor->entries().Find(1);
  ASSERT_TRUE(after.ok() && *after != nullptr);
  EXPECT_NE(*after, *before) << "another may have written in between";
}

TEST_F(RegionOwnershipTest, ReadingOwnsNothing) {
  ASSERT_TRUE(a_.Append("one").ok());
  std::shared_ptr<RegionActor> actor;
  b_.registry->Find({1, 5}, [&](absl::StatusOr<std::shared_ptr<RegionActor>> found) {
    ASSERT_TRUE(found.ok()) << found.status();
    actor = *found;
  });
  b_.executor.RunAll();
  ASSERT_NE(actor, nullptr);
  EXPECT_FALSE(actor->log().ownership().is_owner);
  EXPECT_EQ(actor->log().Position(1).next, 2u);
  // A reader that waits at the end is told of what the owner appends.
  class Waiter final : public TailWaiter {
   public:
    void OnVisible() override { ++woken; }
    int woken = 0;
  } waiter;
  ASSERT_TRUE(actor->tail_waiters().Wait(1, &waiter, actor->tail_waiters().version()));
  ASSERT_TRUE(a_.Append("two").ok());
  b_.executor.RunAll();
  EXPECT_EQ(waiter.woken, 1);
  EXPECT_EQ(actor->log().Position(1).next, 3u);
  EXPECT_TRUE(HasReason(actor->entries().Find(1).status(), ErrorReason::kOwnedElsewhere))
      << "pages follow only what is appended here";
}

TEST_F(RegionOwnershipTest, AcquiringReleasingAndTakingOverByHand) {
  ASSERT_TRUE(a_.Append("one", 4).ok());
  TestAcquire refused;
  b_.Do(5, refused);
  ExpectElsewhere(refused.result, "a:7070");
  TestAcquire forced;
  forced.request.take_over = true;
  b_.Do(5, forced);
  EXPECT_TRUE(forced.result.ok()) << forced.result;
  EXPECT_EQ(store_->Region(5)->owner(), "b:7070");
  a_.executor.RunAll();
  ExpectElsewhere(a_.Append("two"), "b:7070");
  TestRelease release;
  b_.Do(5, release);
  EXPECT_TRUE(release.result.ok()) << release.result;
  EXPECT_EQ(store_->Region(5)->owner(), "");
  EXPECT_TRUE(a_.Append("three").ok());
  TestAcquire absent;
  b_.Do(77, absent);
  EXPECT_TRUE(absent.result.ok()) << "a region that does not exist is nobody's";
  EXPECT_EQ(store_->Region(77)->owner(), "");
}

TEST_F(RegionOwnershipTest, TheStartOpensOnlyWhatTheNodeOwned) {
  ASSERT_TRUE(a_.Append("one").ok());
  TestAppend other({"two"});
  b_.Do(6, other);
  ASSERT_TRUE(other.result().status.ok());
  Node again(store_, "a");
  uint64_t opened = 0;
  again.registry->OpenAll([&](const StartSummary& summary) { opened = summary.regions; });
  again.executor.RunAll();
  EXPECT_EQ(opened, 1u);
  EXPECT_TRUE(again.Append("three").ok()) << "what it owned is its own again";
  const auto listed = again.registry->List(*again.registry->namespaces().Find(1));
  ASSERT_TRUE(listed.ok());
  EXPECT_EQ(listed->size(), 2u) << "both exist";
}

}  // namespace
}  // namespace walden
