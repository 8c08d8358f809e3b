#include "engine/common/operation_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

class OperationQueueTest : public ::testing::Test {
 protected:
  class Noted final : public OperationQueue::Operation {
   public:
    Noted(OperationQueueTest* test, std::string name, bool begun)
        : name(std::move(name)), test_(test), begun_(begun) {}
    bool is_begun() const override { return begun_; }
    void Run() override { test_->events.push_back("run " + name); }
    void Done() override { test_->events.push_back("done " + name); }

    const std::string name;

   private:
    OperationQueueTest* const test_;
    const bool begun_;
  };

  void AddBegun(const std::string& name) {
    queue.Add(std::make_unique<Noted>(this, name, /*begun=*/true));
  }
  void AddWhole(const std::string& name) {
    queue.Add(std::make_unique<Noted>(this, name, /*begun=*/false));
  }
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
  for (const char* begun : {"a", "b"}) AddBegun(begun);
  EXPECT_TRUE(queue.AllBegun());
  AddWhole("c");
  EXPECT_FALSE(queue.AllBegun());
  AddWhole("d");
  EXPECT_TRUE(Work());
  EXPECT_THAT(events, ElementsAre("finish a", "finish b", "done a", "done b"));
  events.clear();
  EXPECT_TRUE(Work());
  EXPECT_THAT(events, ElementsAre("run c", "done c"));
  EXPECT_FALSE(queue.AllBegun()) << "d has the writing state in its turn";
  EXPECT_FALSE(Work());
  EXPECT_TRUE(queue.Empty());
  EXPECT_EQ(queue.added(), 4u);
  EXPECT_EQ(queue.done(), 4u);
}

TEST_F(OperationQueueTest, SaysThatMoreIsLeftWhenNotAllWasFinished) {
  for (const char* begun : {"a", "b"}) AddBegun(begun);
  EXPECT_TRUE(Work(/*most=*/1));
  EXPECT_THAT(events, ElementsAre("finish a", "done a"));
  EXPECT_FALSE(Work());
}

TEST_F(OperationQueueTest, IsWorkedOnByOneThreadAndKeepsWhatItWorksOn) {
  AddWhole("first");
  bool was_empty = true;
  bool was_begun = true;
  bool second = true;
  queue.Add<bool>(
      [&] {
        was_empty = queue.Empty();
        was_begun = queue.AllBegun();
        std::thread([&] { second = Work(); }).join();
        return true;
      },
      [&](bool) { events.push_back("done held"); });
  AddWhole("last");
  while (Work()) {
  }
  EXPECT_FALSE(was_empty);
  EXPECT_FALSE(was_begun);
  EXPECT_FALSE(second) << "the thread that is in it goes on with the rest";
  EXPECT_THAT(events, ElementsAre("run first", "done first", "done held", "run last", "done last"));
}

TEST_F(OperationQueueTest, AnOperationMayBeginOthersWhenItIsDone) {
  queue.Add<bool>([] { return true; }, [&](bool) { AddBegun("next"); });
  EXPECT_TRUE(Work()) << "somebody must go on with what was begun meanwhile";
  EXPECT_FALSE(Work());
  EXPECT_THAT(events, ElementsAre("finish next", "done next"));
}

}  // namespace
}  // namespace walden
