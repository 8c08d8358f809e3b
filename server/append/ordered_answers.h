// The order in which the answers of one stream leave.
#pragma once

#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "server/region/region_key.h"

namespace walden {

// A request whose answer has a place in the order. The stream owns it and keeps it where it is from
// Add until Answered returns it.
class OrderedAnswer {
 public:
  // The region whose order the answer keeps. Constant from Add on.
  RegionKey key;

 private:
  friend class OrderedAnswers;
  OrderedAnswer* next_ = nullptr;  // of the region
  bool answered_ = false;
};

// Holds the requests of a stream that are not answered yet, and answered ones that must wait for an
// earlier request of their region. Answers of different regions do not wait for each other. Takes
// the same time however many requests there are. One thread at a time.
class OrderedAnswers {
 public:
  using Leaving = absl::InlinedVector<OrderedAnswer*, 8>;

  // Adds a request behind all others of its region.
  void Add(OrderedAnswer* answer);

  // Notes that `answer`, which was added, is known. Returns the answers that may leave now, in
  // their order, and forgets them: none if an earlier request of the region is not answered;
  // otherwise this one and the answered ones of its region that follow it without a gap.
  Leaving Answered(OrderedAnswer* answer);

  bool empty() const { return regions_.empty(); }

 private:
  struct Waiting {
    OrderedAnswer* first = nullptr;
    OrderedAnswer* last = nullptr;
  };

  absl::flat_hash_map<RegionKey, Waiting> regions_;  // none is empty
};

}  // namespace walden
