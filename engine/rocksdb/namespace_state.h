// What the regions of one namespace share. It outlives its engine for as long as a reader needs it.
#pragma once

#include <utility>

#include "absl/synchronization/mutex.h"
#include "engine/executor.h"
#include "engine/rocksdb/reclaimer.h"
#include "engine/rocksdb/store.h"
#include "engine/rocksdb/table_numbers.h"
#include "engine/types.h"

namespace walden::rocks {

struct NamespaceState {
  NamespaceState(NamespaceId namespace_id, Store::Environment environment, Executor* background)
      : id(namespace_id), store(std::move(environment)), reclaimer(&store, background) {}

  const NamespaceId id;
  Store store;
  TableNumbers numbers;
  Reclaimer reclaimer;
  // Held over writes of keys that several regions may write: MaxSeq and reservations. So what is
  // stored never goes back.
  absl::Mutex shared_keys_mutex;
};

}  // namespace walden::rocks
