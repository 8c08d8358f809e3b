// Whether the names in one directory are durable.
//
// A name that was made, replaced or removed may go back at a power cut until the directory was
// synced after it; and the sync can fail while the name stays, for lack of open files for example.
// So nobody may take a name that he finds for durable. Whoever relies on names that change while
// the process runs asks MakeDurable() first: it costs nothing unless a sync is due. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "engine/io/file_system.h"

namespace walden {

class DirectoryNames {
 public:
  // `files` outlives it. At first nothing is known to be durable.
  DirectoryNames(FileSystem* files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  // Makes, replaces or removes a name by `change`, whose result it returns.
  absl::Status Change(absl::FunctionRef<absl::Status()> change);

  // OK: every change that was finished before the call is durable.
  absl::Status MakeDurable();

 private:
  FileSystem* const files_;
  const std::string directory_;
  std::atomic<uint64_t> changes_{1};  // that were finished
  std::atomic<uint64_t> durable_{0};  // so many of them
};

}  // namespace walden
