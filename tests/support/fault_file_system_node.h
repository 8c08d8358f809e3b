// What FaultFileSystem keeps of one file or directory. Only for its own sources.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/disk_file.h"
#include "tests/support/fault_file_system.h"

namespace walden::testing {

// Protected by FaultFileSystem::mu_.
struct FaultFileSystem::Node {
  using Entries = std::map<std::string, NodePtr>;
  // What one operation did to a directory's names, atomically; null removes.
  using Change = std::vector<std::pair<std::string, NodePtr>>;

  explicit Node(bool directory) : is_directory(directory) {}

  static void Apply(const Change& change, Entries& entries) {
    for (const auto& [name, node] : change) {
      if (node == nullptr) {
        entries.erase(name);
      } else {
        entries[name] = node;
      }
    }
  }

  void ChangeEntries(Change change) {
    Apply(change, entries);
    unsynced_changes.push_back(std::move(change));
  }

  void SyncEntries() {
    durable_entries = entries;
    unsynced_changes.clear();
  }

  // What programs see, all of it durable, without handles and locks.
  NodePtr Copy() const {
    auto copy = std::make_shared<Node>(is_directory);
    copy->file.CopyFrom(file);
    copy->last_written = last_written;
    for (const auto& [name, node] : entries) copy->entries[name] = node->Copy();
    copy->durable_entries = copy->entries;
    return copy;
  }

  const bool is_directory;

  // Of a directory.
  Entries entries;
  Entries durable_entries;
  std::vector<Change> unsynced_changes;
  bool locked = false;

  // Of a file.
  DiskFile file;
  absl::Time last_written;
  int handles = 0;
  std::vector<std::pair<uint64_t, uint64_t>> unreadable;  // offset, length
};

// "operation path: reason (errno n)", with the code that file_system.h promises.
absl::Status FileError(int error_number, absl::string_view operation, const std::string& path);

// Name of the operation, of which exactly one must be given.
absl::string_view FileOpName(FileOps operation);

}  // namespace walden::testing
