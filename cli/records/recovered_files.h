// One file per recovered table in a directory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cli/records/record_writer.h"

namespace walden::cli {

// While records come in, a table's file is called table_<id>.partial; Complete() makes all of them
// durable and gives them their names, table_<id>. So a file without ".partial" is whole. Memory is
// bounded, however many tables there are. One thread at a time.
class RecoveredFiles {
 public:
  // `directory` is made if it is missing, and must be empty.
  RecoveredFiles(std::string directory, RecordFormatting format);
  ~RecoveredFiles();
  RecoveredFiles(const RecoveredFiles&) = delete;
  RecoveredFiles& operator=(const RecoveredFiles&) = delete;

  absl::Status Open();
  absl::Status Write(uint64_t table, uint64_t sequence, absl::string_view payload);
  absl::Status Complete();

 private:
  std::string PathOf(uint64_t table, bool partial) const;
  absl::Status WriteOut();
  absl::Status SyncAll();

  const std::string directory_;
  const RecordFormatting format_;
  int directory_fd_ = -1;
  absl::flat_hash_map<uint64_t, std::string> pending_;  // per table, not yet written out
  size_t pending_bytes_ = 0;
};

}  // namespace walden::cli
