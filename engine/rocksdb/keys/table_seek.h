// Finds the tables and keys of a namespace by seeks, without reading all of it. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/types.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace walden::rocks {

// An iterator over [begin, end), checksums checked. Bounds are the caller's and outlive it.
class BoundedIterator {
 public:
  BoundedIterator(rocksdb::DB& db, std::string begin, std::string end);

  rocksdb::Iterator* operator->() { return iterator_.get(); }
  absl::string_view key() const { return {iterator_->key().data(), iterator_->key().size()}; }
  absl::string_view value() const { return {iterator_->value().data(), iterator_->value().size()}; }

 private:
  const std::string begin_;
  const std::string end_;
  const rocksdb::Slice lower_;
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

struct FoundTable {
  RegionId region = 0;
  TableId table = 0;
  SequenceNumber first = 0;  // oldest and newest record
  SequenceNumber last = 0;
};

// Visits every table with records among the log keys [begin, end), in order. Adds the number of
// keys it looked at to `keys_read`: at most three for each table, whatever it holds.
absl::Status SeekTables(rocksdb::DB& db, NamespaceId id, const std::string& begin,
                        const std::string& end, absl::string_view shown_directory,
                        uint64_t* keys_read, absl::FunctionRef<void(const FoundTable&)> visit);

// Sets *first to the number of the first record of the table behind this key, 0 if there is none.
absl::Status FirstRecordAbove(rocksdb::DB& db, const LogKey& key, absl::string_view shown_directory,
                              SequenceNumber* first);

// Visits every key in [begin, end) with its value. The visitor returns false for a key or value of
// no known layout, which ends the visit with DATA_LOSS.
absl::Status ForEachKey(rocksdb::DB& db, const std::string& begin, const std::string& end,
                        absl::string_view shown_directory,
                        absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit);

// Puts a delete of every key in [begin, end) into the batch.
absl::Status DeleteKeys(rocksdb::DB& db, const std::string& begin, const std::string& end,
                        absl::string_view shown_directory, rocksdb::WriteBatch& batch);

// The error for a key or value of no known layout.
absl::Status UnknownBytes(absl::string_view key, absl::string_view shown_directory);

}  // namespace walden::rocks
