// Tracks whether the names in one directory are durable.
//
// A power cut may undo a change of a name until the directory is synced after it. The sync can fail
// while the change stays, for example for lack of file descriptors, so a name that is there may not
// be durable. Code that relies on a name calls MakeDurable() first, which costs nothing unless a
// sync is due. Any thread.
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

  // Syncs the directory if a sync is due. OK: every change that was finished before the call is
  // durable.
  absl::Status MakeDurable();

 private:
  FileSystem* const files_;
  const std::string directory_;
  std::atomic<uint64_t> changes_{1};  // finished ones
  std::atomic<uint64_t> durable_{0};  // how many of them are durable
};

}  // namespace walden
