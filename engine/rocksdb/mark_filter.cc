#include "engine/rocksdb/mark_filter.h"

#include <optional>
#include <string>
#include <utility>

#include "engine/rocksdb/keys/key_codec.h"

namespace walden::rocks {
namespace {

// The filter of one thread of one flush or compaction. Keys come in order, so a mark is looked up
// once for each table. All keys were written before the filter was made, so a mark that it found
// stays right: records of a region that is dropped and made again meanwhile are not among its keys.
class MarkFilter final : public rocksdb::CompactionFilter {
 public:
  MarkFilter(NamespaceId id, std::shared_ptr<const DeletedMarks> marks)
      : id_(id), marks_(std::move(marks)) {}

  const char* Name() const override { return "walden.MarkFilter"; }

  Decision FilterV2(int, const rocksdb::Slice& bytes, ValueType type, const rocksdb::Slice&,
                    std::string*, std::string* skip_until) const override {
    if (type != ValueType::kValue) return Decision::kKeep;
    const std::optional<LogKey> key = DecodeLogKey({bytes.data(), bytes.size()});
    if (!key || key->namespace_id != id_) return Decision::kKeep;
    if (!table_ || key->region != table_->region || key->table != table_->table) {
      table_ = {key->region, key->table, marks_->Of(key->region, key->table)};
    }
    if (key->sequence > table_->through) return Decision::kKeep;
    // The records leave no tombstone, and their blocks are not read.
    *skip_until = LogKeyBehind({id_, table_->region, table_->table, table_->through});
    return Decision::kRemoveAndSkipUntil;
  }

 private:
  const NamespaceId id_;
  const std::shared_ptr<const DeletedMarks> marks_;
  mutable std::optional<DeletedMark> table_;  // the table of the last key
};

class MarkFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  MarkFilterFactory(NamespaceId id, std::shared_ptr<const DeletedMarks> marks)
      : id_(id), marks_(std::move(marks)) {}

  const char* Name() const override { return "walden.MarkFilterFactory"; }

  bool ShouldFilterTableFileCreation(rocksdb::TableFileCreationReason reason) const override {
    return reason == rocksdb::TableFileCreationReason::kCompaction ||
           reason == rocksdb::TableFileCreationReason::kFlush;
  }

  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<MarkFilter>(id_, marks_);
  }

 private:
  const NamespaceId id_;
  const std::shared_ptr<const DeletedMarks> marks_;
};

}  // namespace

std::shared_ptr<rocksdb::CompactionFilterFactory> MakeMarkFilter(
    NamespaceId id, std::shared_ptr<const DeletedMarks> marks) {
  return std::make_shared<MarkFilterFactory>(id, std::move(marks));
}

}  // namespace walden::rocks
