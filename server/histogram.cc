#include "server/histogram.h"

namespace walden {

std::vector<uint64_t> DurationBounds() {
  std::vector<uint64_t> bounds;
  for (uint64_t decade = 10'000; decade < 10'000'000'000; decade *= 10) {
    bounds.insert(bounds.end(), {decade, decade * 5 / 2, decade * 5});
  }
  bounds.push_back(10'000'000'000);
  return bounds;
}

}  // namespace walden
