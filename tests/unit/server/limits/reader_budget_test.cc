#include "server/limits/reader_budget.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>

#include "server/limits/chunk.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

struct RecordingWaiter final : BudgetWaiter {
  void OnBudget(bool was_granted) override { granted = was_granted; }
  std::optional<bool> granted;
};

class ReaderBudgetTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  std::shared_ptr<ReaderBudget> budget_ =
      std::make_shared<ReaderBudget>(100, absl::Seconds(10), &clock_);
};

TEST_F(ReaderBudgetTest, WhoCameFirstIsServedFirst) {
  RecordingWaiter large, small;
  ASSERT_TRUE(budget_->TryAcquire(90));
  EXPECT_FALSE(budget_->AcquireOrWait(50, &large));
  EXPECT_FALSE(budget_->AcquireOrWait(5, &small)) << "would fit, but may not overtake";
  EXPECT_FALSE(budget_->TryAcquire(5));
  budget_->Release(90);
  EXPECT_EQ(large.granted, true);
  EXPECT_EQ(small.granted, true);
  EXPECT_EQ(budget_->used(), 55u);
}

TEST_F(ReaderBudgetTest, WhoWaitsTooLongIsRefused) {
  RecordingWaiter early, late;
  ASSERT_TRUE(budget_->TryAcquire(100));
  EXPECT_FALSE(budget_->AcquireOrWait(10, &early));
  clock_.Advance(absl::Seconds(6));
  EXPECT_FALSE(budget_->AcquireOrWait(10, &late));
  clock_.Advance(absl::Seconds(6));
  budget_->RefuseOverdue();
  EXPECT_EQ(early.granted, false);
  EXPECT_FALSE(late.granted.has_value());
  budget_->Release(100);
  EXPECT_EQ(late.granted, true);
  EXPECT_EQ(budget_->used(), 10u);
}

TEST_F(ReaderBudgetTest, ThoseThatFitAreServedOnceTheOneInFrontOfThemGivesUp) {
  RecordingWaiter large, small;
  ASSERT_TRUE(budget_->TryAcquire(60));
  EXPECT_FALSE(budget_->AcquireOrWait(90, &large));
  EXPECT_FALSE(budget_->AcquireOrWait(30, &small));
  EXPECT_TRUE(budget_->Cancel(&large));
  EXPECT_EQ(small.granted, true);
  EXPECT_EQ(budget_->used(), 90u);
}

TEST_F(ReaderBudgetTest, ThoseThatFitAreServedOnceTheOneInFrontOfThemIsRefused) {
  RecordingWaiter large, small;
  ASSERT_TRUE(budget_->TryAcquire(60));
  EXPECT_FALSE(budget_->AcquireOrWait(90, &large));
  clock_.Advance(absl::Seconds(6));
  EXPECT_FALSE(budget_->AcquireOrWait(30, &small));
  clock_.Advance(absl::Seconds(6));
  budget_->RefuseOverdue();
  EXPECT_EQ(large.granted, false);
  EXPECT_EQ(small.granted, true);
}

struct Standing final : StandingWrite {
  std::function<void()> OnStall() override {
    return [this] { ++broken_off; };
  }
  int broken_off = 0;
};

TEST_F(ReaderBudgetTest, AWriteThatStandsTooLongIsBrokenOffOnlyWhileSomebodyWaits) {
  budget_ = std::make_shared<ReaderBudget>(100, absl::Minutes(10), &clock_, absl::Seconds(30));
  Standing old, taken, fresh;
  ASSERT_TRUE(budget_->TryAcquire(100));
  budget_->WriteBegan(&old);
  budget_->WriteBegan(&taken);
  clock_.Advance(absl::Seconds(31));
  budget_->WriteEnded(&taken);
  budget_->WriteBegan(&fresh);
  budget_->RefuseOverdue();
  EXPECT_EQ(old.broken_off, 0) << "nobody needs what it holds";
  RecordingWaiter waiter;
  EXPECT_FALSE(budget_->AcquireOrWait(10, &waiter));
  for (int i = 0; i < 2; ++i) budget_->RefuseOverdue();
  EXPECT_EQ(old.broken_off, 1);
  EXPECT_EQ(taken.broken_off, 0);
  EXPECT_EQ(fresh.broken_off, 0);
  EXPECT_FALSE(waiter.granted.has_value()) << "what was broken off gives back its bytes";
  budget_->Release(100);
  EXPECT_EQ(waiter.granted, true);
}

TEST_F(ReaderBudgetTest, AWaitCanBeCalledOff) {
  RecordingWaiter waiter;
  ASSERT_TRUE(budget_->TryAcquire(100));
  EXPECT_FALSE(budget_->AcquireOrWait(10, &waiter));
  EXPECT_TRUE(budget_->Cancel(&waiter));
  EXPECT_FALSE(budget_->Cancel(&waiter));
  budget_->Release(100);
  EXPECT_FALSE(waiter.granted.has_value());
  EXPECT_EQ(budget_->used(), 0u);
}

TEST_F(ReaderBudgetTest, MoreThanTheLimitIsGrantedToOneAtATime) {
  RecordingWaiter waiter;
  EXPECT_TRUE(budget_->TryAcquire(500));
  EXPECT_FALSE(budget_->AcquireOrWait(500, &waiter));
  budget_->Release(500);
  EXPECT_EQ(waiter.granted, true);
}

TEST_F(ReaderBudgetTest, AChunkGivesBackWhatItHeldAlsoAfterGrowingAndTrimming) {
  ASSERT_TRUE(budget_->TryAcquire(16));
  auto chunk = std::make_unique<Chunk>(budget_, 16);
  std::memcpy(chunk->Reserve(10), "0123456789", 10);
  chunk->Commit(chunk->data() + 10);
  std::memset(chunk->Reserve(30), 'x', 30);
  chunk->Commit(chunk->data() + 40);
  EXPECT_GE(chunk->capacity(), 40u);
  EXPECT_EQ(budget_->used(), chunk->capacity());
  EXPECT_EQ(std::string(chunk->data(), 12), "0123456789xx");
  chunk = nullptr;
  EXPECT_EQ(budget_->used(), 0u);

  ASSERT_TRUE(budget_->TryAcquire(64));
  chunk = std::make_unique<Chunk>(budget_, 64);
  chunk->Commit(chunk->Reserve(8) + 8);
  chunk->Trim();
  EXPECT_EQ(budget_->used(), 8u);
  chunk = nullptr;
  EXPECT_EQ(budget_->used(), 0u);
}

}  // namespace
}  // namespace walden
