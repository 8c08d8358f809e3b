#include "engine/io/directory_names.h"

namespace walden {

absl::Status DirectoryNames::Change(absl::FunctionRef<absl::Status()> change) {
  // Even a failed call may have changed the name. A concurrent sync may come before the change, so
  // the change is counted after it.
  const absl::Status status = change();
  changes_.fetch_add(1);
  return status;
}

absl::Status DirectoryNames::MakeDurable() {
  const uint64_t changes = changes_.load();
  if (durable_.load() >= changes) return absl::OkStatus();
  const absl::Status status = files_->SyncDirectory(directory_);
  if (!status.ok()) return status;
  uint64_t durable = durable_.load();
  while (durable < changes && !durable_.compare_exchange_weak(durable, changes)) continue;
  return absl::OkStatus();
}

}  // namespace walden
