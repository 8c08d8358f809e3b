// RocksDB's compaction filter of a namespace. It removes the records that a durable mark covers
// whenever RocksDB writes a table file (flush or compaction). It keeps all other keys: metadata,
// other namespaces, tables without a mark, keys of no known layout.
#pragma once

#include <memory>

#include "engine/rocksdb/deleted_marks.h"
#include "engine/types.h"
#include "rocksdb/compaction_filter.h"

namespace walden::rocks {

// A compaction that begins before the marks are loaded sees no marks and keeps everything.
std::shared_ptr<rocksdb::CompactionFilterFactory> MakeMarkFilter(
    NamespaceId id, std::shared_ptr<const DeletedMarks> marks);

}  // namespace walden::rocks
