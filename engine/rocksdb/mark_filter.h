// RocksDB's compaction filter of a namespace: takes records out that a durable mark covers,
// whenever RocksDB writes a table file (flush or compaction). Everything else stays: metadata, keys
// of other namespaces, tables without a mark, keys of no known layout.
#pragma once

#include <memory>

#include "engine/rocksdb/deleted_marks.h"
#include "engine/types.h"
#include "rocksdb/compaction_filter.h"

namespace walden::rocks {

// Compactions that begin while RocksDB opens see no marks, and so keep everything, until the marks
// are loaded.
std::shared_ptr<rocksdb::CompactionFilterFactory> MakeMarkFilter(
    NamespaceId id, std::shared_ptr<const DeletedMarks> marks);

}  // namespace walden::rocks
