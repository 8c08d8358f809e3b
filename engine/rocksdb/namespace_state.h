// The state that the regions of one RocksDB namespace share. Readers keep it alive after the engine
// is gone.
#pragma once

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/executor.h"
#include "engine/rocksdb/database.h"
#include "engine/rocksdb/deleted_marks.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/mark_filter.h"
#include "engine/rocksdb/reclaimer.h"
#include "engine/rocksdb/sequence_allocator.h"
#include "engine/types.h"
#include "rocksdb/write_batch.h"

namespace walden::rocks {

struct NamespaceState {
  NamespaceState(NamespaceId namespace_id, Database::Environment environment, Executor* background)
      : id(namespace_id),
        database(WithFilter(std::move(environment), MakeMarkFilter(namespace_id, marks))),
        reclaimer(&database, marks, background) {}

  // Puts the table's MaxSeq, or its reservation, into a write: the maximum of `through` and the
  // highest known one, which is known from now on even if the write fails. So a later write never
  // stores a lower one.
  void PutMaxSeq(rocksdb::WriteBatch& batch, TableId table, SequenceNumber through)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shared_keys_mutex) {
    Put(batch, MaxSeqEntry(table, allocator.RaiseMaxSeq(table, through)));
  }
  void PutReserved(rocksdb::WriteBatch& batch, TableId table, SequenceNumber through)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shared_keys_mutex) {
    Put(batch, ReservedEntry(table, allocator.RaiseReserved(table, through)));
  }

  const NamespaceId id;
  const std::shared_ptr<DeletedMarks> marks = std::make_shared<DeletedMarks>();
  Database database;
  SequenceAllocator allocator;
  Reclaimer reclaimer;
  // Held during writes of keys that several regions may write: MaxSeq and reservations. So they are
  // written in rising order.
  absl::Mutex shared_keys_mutex;

 private:
  static Database::Environment WithFilter(
      Database::Environment environment, std::shared_ptr<rocksdb::CompactionFilterFactory> filter) {
    environment.filter = std::move(filter);
    return environment;
  }
  static void Put(rocksdb::WriteBatch& batch, const Entry& entry) {
    batch.Put(entry.key, entry.value);
  }
};

}  // namespace walden::rocks
