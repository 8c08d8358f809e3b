#include "server/append/ordered_answers.h"

namespace walden {

void OrderedAnswers::Add(OrderedAnswer* answer) {
  answer->answered_ = false;
  waiting_.push_back(answer);
}

OrderedAnswers::Leaving OrderedAnswers::Answered(OrderedAnswer* answer) {
  answer->answered_ = true;
  Leaving leaving;
  auto position = waiting_.begin();
  for (; *position != answer; ++position) {
    if ((*position)->key == answer->key) return leaving;
  }
  const RegionKey key = answer->key;
  while (position != waiting_.end()) {
    if (!((*position)->key == key)) {
      ++position;
      continue;
    }
    if (!(*position)->answered_) break;
    leaving.push_back(*position);
    position = waiting_.erase(position);
  }
  return leaving;
}

}  // namespace walden
