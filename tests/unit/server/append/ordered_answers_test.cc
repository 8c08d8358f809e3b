#include "server/append/ordered_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <vector>

namespace walden {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class OrderedAnswersTest : public ::testing::Test {
 protected:
  // Adds request 0, 1, ... of these regions.
  void AddOfRegions(std::initializer_list<RegionId> regions) {
    size_t i = 0;
    for (const RegionId region : regions) {
      requests_[i].key = {1, region};
      answers_.Add(&requests_[i++]);
    }
  }

  // The numbers of the requests whose answers leave when this one is answered.
  std::vector<size_t> Answer(size_t i) {
    std::vector<size_t> numbers;
    for (const OrderedAnswer* answer : answers_.Answered(&requests_[i])) {
      numbers.push_back(static_cast<size_t>(answer - requests_.data()));
    }
    return numbers;
  }

  std::array<OrderedAnswer, 6> requests_;
  OrderedAnswers answers_;
};

TEST_F(OrderedAnswersTest, AnAnswerWaitsForTheEarlierOnesOfItsRegion) {
  AddOfRegions({7, 7, 7});
  EXPECT_THAT(Answer(1), IsEmpty());
  EXPECT_THAT(Answer(0), ElementsAre(0, 1));
  EXPECT_THAT(Answer(2), ElementsAre(2));
  EXPECT_TRUE(answers_.empty());
}

TEST_F(OrderedAnswersTest, AnAnswerTakesNoneAlongThatStandsBehindAGap) {
  AddOfRegions({7, 7, 7, 7});
  EXPECT_THAT(Answer(3), IsEmpty());
  EXPECT_THAT(Answer(1), IsEmpty());
  EXPECT_THAT(Answer(0), ElementsAre(0, 1));
  EXPECT_FALSE(answers_.empty());
  EXPECT_THAT(Answer(2), ElementsAre(2, 3));
  EXPECT_TRUE(answers_.empty());
}

TEST_F(OrderedAnswersTest, RegionsDoNotWaitForEachOther) {
  AddOfRegions({7, 8, 7, 8, 9});
  EXPECT_THAT(Answer(4), ElementsAre(4));
  EXPECT_THAT(Answer(3), IsEmpty());
  EXPECT_THAT(Answer(1), ElementsAre(1, 3));
  EXPECT_THAT(Answer(2), IsEmpty());
  EXPECT_THAT(Answer(0), ElementsAre(0, 2));
}

TEST_F(OrderedAnswersTest, RegionsOfTheSameIdInTwoNamespacesDoNotWaitForEachOther) {
  AddOfRegions({7});
  requests_[1].key = {2, 7};
  answers_.Add(&requests_[1]);
  EXPECT_THAT(Answer(1), ElementsAre(1));
}

TEST_F(OrderedAnswersTest, ARequestThatIsAddedAgainIsNotAnswered) {
  AddOfRegions({7, 7});
  EXPECT_THAT(Answer(0), ElementsAre(0));
  EXPECT_THAT(Answer(1), ElementsAre(1));
  AddOfRegions({7, 7});
  EXPECT_THAT(Answer(0), ElementsAre(0));
  EXPECT_FALSE(answers_.empty());
}

}  // namespace
}  // namespace walden
