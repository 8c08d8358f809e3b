// RocksDB's errors as Walden's (base/error.h). Any thread.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engine/log_engine.h"
#include "rocksdb/status.h"

namespace walden::rocks {

//   Corruption          DATA_LOSS (CORRUPTION), with file and offset where RocksDB names them; also
//                       files that are missing, or of no known layout
//   no space            RESOURCE_EXHAUSTED (DISK_FULL)
//   everything else     UNAVAILABLE (IO_ERROR)
// `what` says what was being done; files are shown below `shown_directory`.
absl::Status FromRocks(const rocksdb::Status& status, absl::string_view what,
                       absl::string_view shown_directory);

// Whether stored bytes are damaged, missing or of no known layout.
bool IsDamage(const rocksdb::Status& status);

// The place in the message of a corruption: file (below `shown_directory`), offset and length, as
// far as RocksDB names them. The reason is the whole message. There are no sequence numbers.
DamagedRange PlaceOf(const rocksdb::Status& status, absl::string_view shown_directory);

// The error of every call that meets damage: DATA_LOSS (CORRUPTION).
absl::Status DamageError(const DamagedRange& damage, absl::string_view remedy);

}  // namespace walden::rocks
