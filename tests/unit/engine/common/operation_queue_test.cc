#include "engine/common/operation_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace walden {
namespace {

using ::testing::ElementsAre;

class OperationQueueTest : public ::testing::Test {
 protected:
  // Can be begun if `beginnable`, or once it is alone if `alone`.
  class Noted final : public OperationQueue::Operation {
   public:
    enum class When { kAnyTime, kAlone, kNever };

    Noted(OperationQueueTest* test, std::string name, When when)
        : name(std::move(name)), test_(test), when_(when) {}
    bool is_begun() const override { return begun_; }
    bool Begin(bool is_alone) override {
      begun_ = when_ == When::kAnyTime || (when_ == When::kAlone && is_alone);
      if (begun_) test_->events.push_back("begin " + name);
      return begun_;
    }
    void Run() override { test_->events.push_back("run " + name); }
    void Done() override { test_->events.push_back("done " + name); }

    const std::string name;

   private:
    OperationQueueTest* const test_;
    const When when_;
    bool begun_ = false;
  };
  using When = Noted::When;

  void Add(const std::string& name, When when) {
    queue.Add(std::make_unique<Noted>(this, name, when));
  }
  std::vector<std::string> Events() { return std::exchange(events, {}); }
  // Finishes at most `most` of the begun operations.
  bool Work(size_t most = SIZE_MAX) {
    return queue.Work([&](absl::Span<OperationQueue::Operation* const> begun) {
      const size_t count = std::min(most, begun.size());
      for (size_t i = 0; i < count; ++i) {
        events.push_back("finish " + static_cast<Noted*>(begun[i])->name);
      }
      return count;
    });
  }

  OperationQueue queue;
  std::vector<std::string> events;
};

TEST_F(OperationQueueTest, FinishesBegunOperationsTogetherAndWholeOnesAloneInTheirTurn) {
  Add("a", When::kAnyTime);
  Add("b", When::kAnyTime);
  EXPECT_THAT(Events(), ElementsAre("begin a", "begin b")) << "by the thread that adds them";
  Add("c", When::kNever);
  Add("d", When::kAnyTime);
  EXPECT_THAT(Events(), ElementsAre()) << "c has the writing state in its turn";
  EXPECT_TRUE(Work());
  EXPECT_THAT(Events(), ElementsAre("finish a", "finish b", "done a", "done b"));
  EXPECT_TRUE(Work());
  EXPECT_THAT(Events(), ElementsAre("run c", "done c"));
  EXPECT_FALSE(Work());
  EXPECT_THAT(Events(), ElementsAre("begin d", "finish d", "done d"));
  EXPECT_TRUE(queue.Empty());
  EXPECT_EQ(queue.added(), 4u);
  EXPECT_EQ(queue.done(), 4u);
}

TEST_F(OperationQueueTest, GoesOnToBeginAtOnceAfterOneThatHadToBeAlone) {
  Add("a", When::kAnyTime);
  Add("b", When::kAlone);
  Add("c", When::kAnyTime);
  EXPECT_THAT(Events(), ElementsAre("begin a"));
  EXPECT_TRUE(Work());
  EXPECT_THAT(Events(), ElementsAre("finish a", "done a"));
  EXPECT_FALSE(Work(/*most=*/2));
  EXPECT_THAT(Events(),
              ElementsAre("begin b", "begin c", "finish b", "finish c", "done b", "done c"));
  Add("d", When::kAlone);
  Add("e", When::kAnyTime);
  EXPECT_THAT(Events(), ElementsAre("begin d", "begin e"));
  while (Work()) {
  }
}

TEST_F(OperationQueueTest, SaysThatMoreIsLeftWhenNotAllWasFinished) {
  for (const char* name : {"a", "b"}) Add(name, When::kAnyTime);
  EXPECT_TRUE(Work(/*most=*/1));
  EXPECT_THAT(Events(), ElementsAre("begin a", "begin b", "finish a", "done a"));
  EXPECT_FALSE(Work());
}

TEST_F(OperationQueueTest, IsWorkedOnByOneThreadAndKeepsWhatItWorksOn) {
  Add("first", When::kNever);
  bool was_empty = true;
  bool second = true;
  queue.Add<bool>(
      [&] {
        was_empty = queue.Empty();
        std::thread([&] {
          Add("last", When::kAnyTime);
          second = Work();
        }).join();
        return true;
      },
      [&](bool) { events.push_back("done held"); });
  while (Work()) {
  }
  EXPECT_FALSE(was_empty);
  EXPECT_FALSE(second) << "the thread that is in it goes on with the rest";
  EXPECT_THAT(Events(), ElementsAre("run first", "done first", "done held", "begin last",
                                    "finish last", "done last"));
}

TEST_F(OperationQueueTest, AnOperationMayAddOthersWhenItIsDone) {
  queue.Add<bool>([] { return true; }, [&](bool) { Add("next", When::kAnyTime); });
  EXPECT_TRUE(Work()) << "somebody must go on with what was added meanwhile";
  EXPECT_FALSE(Work());
  EXPECT_THAT(Events(), ElementsAre("begin next", "finish next", "done next"));
}

}  // namespace
}  // namespace walden
