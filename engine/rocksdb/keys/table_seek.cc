#include "engine/rocksdb/keys/table_seek.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/rocksdb/options/rocksdb_errors.h"

namespace walden::rocks {

BoundedIterator::BoundedIterator(rocksdb::DB& db, std::string begin, std::string end)
    : begin_(std::move(begin)), end_(std::move(end)), lower_(begin_), upper_(end_) {
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  options.iterate_lower_bound = &lower_;
  options.iterate_upper_bound = &upper_;
  iterator_.reset(db.NewIterator(options));
}

absl::Status UnknownBytes(absl::string_view key, absl::string_view shown_directory) {
  return DamageError({.file = std::string(shown_directory),
                      .length = key.size(),
                      .reason = absl::StrCat("key ", absl::BytesToHexString(key),
                                             " or its value is of no known layout")},
                     "It was written by another program, or by a later version");
}

absl::Status SeekTables(rocksdb::DB& db, NamespaceId id, const std::string& begin,
                        const std::string& end, absl::string_view shown_directory,
                        uint64_t* keys_read, absl::FunctionRef<void(const FoundTable&)> visit) {
  BoundedIterator at(db, begin, end);
  for (at->Seek(begin); at->Valid();) {
    const auto oldest = DecodeLogKey(at.key());
    ++*keys_read;
    if (!oldest) return UnknownBytes(at.key(), shown_directory);
    const std::string behind = TableEnd(id, oldest->region, oldest->table);
    at->SeekForPrev(behind);
    if (!at->Valid()) break;
    const auto newest = DecodeLogKey(at.key());
    ++*keys_read;
    if (!newest) return UnknownBytes(at.key(), shown_directory);
    visit({oldest->region, oldest->table, oldest->sequence, newest->sequence});
    at->Seek(behind);
  }
  return FromRocks(at->status(), "looking for tables", shown_directory);
}

absl::Status FirstRecordAbove(rocksdb::DB& db, const LogKey& key, absl::string_view shown_directory,
                              SequenceNumber* first) {
  *first = 0;
  const std::string begin = LogKeyBehind(key);
  BoundedIterator at(db, begin, TableEnd(key.namespace_id, key.region, key.table));
  at->Seek(begin);
  if (at->Valid()) {
    const auto found = DecodeLogKey(at.key());
    if (!found) return UnknownBytes(at.key(), shown_directory);
    *first = found->sequence;
  }
  return FromRocks(at->status(), "looking for the first record", shown_directory);
}

absl::Status ForEachKey(rocksdb::DB& db, const std::string& begin, const std::string& end,
                        absl::string_view shown_directory,
                        absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) {
  BoundedIterator at(db, begin, end);
  for (at->Seek(begin); at->Valid(); at->Next()) {
    if (!visit(at.key(), at.value())) return UnknownBytes(at.key(), shown_directory);
  }
  return FromRocks(at->status(), "reading metadata", shown_directory);
}

absl::Status DeleteKeys(rocksdb::DB& db, const std::string& begin, const std::string& end,
                        absl::string_view shown_directory, rocksdb::WriteBatch& batch) {
  return ForEachKey(db, begin, end, shown_directory, [&](absl::string_view key, auto) {
    batch.Delete({key.data(), key.size()});
    return true;
  });
}

}  // namespace walden::rocks
