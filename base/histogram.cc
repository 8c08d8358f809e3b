#include "base/histogram.h"

namespace walden {

std::vector<uint64_t> DurationBounds() {
  std::vector<uint64_t> bounds;
  for (uint64_t decade = 10'000; decade < 10'000'000'000; decade *= 10) {
    bounds.insert(bounds.end(), {decade, decade * 5 / 2, decade * 5});
  }
  bounds.push_back(10'000'000'000);
  return bounds;
}

std::vector<uint64_t> CountBounds() {
  std::vector<uint64_t> bounds;
  for (uint64_t bound = 1; bound <= 4096; bound *= 2) bounds.push_back(bound);
  return bounds;
}

std::vector<uint64_t> SizeBounds() {
  std::vector<uint64_t> bounds;
  for (uint64_t bound = 256; bound <= uint64_t{16} << 20; bound *= 4) bounds.push_back(bound);
  return bounds;
}

}  // namespace walden
