#include "server/append/ordered_answers.h"

namespace walden {

void OrderedAnswers::Add(OrderedAnswer* answer) {
  answer->answered_ = false;
  answer->next_ = nullptr;
  Waiting& waiting = regions_[answer->key];
  (waiting.first == nullptr ? waiting.first : waiting.last->next_) = answer;
  waiting.last = answer;
}

OrderedAnswers::Leaving OrderedAnswers::Answered(OrderedAnswer* answer) {
  answer->answered_ = true;
  Leaving leaving;
  const auto region = regions_.find(answer->key);
  OrderedAnswer* first = region->second.first;
  for (; first != nullptr && first->answered_; first = first->next_) leaving.push_back(first);
  region->second.first = first;
  if (first == nullptr) regions_.erase(region);
  return leaving;
}

}  // namespace walden
