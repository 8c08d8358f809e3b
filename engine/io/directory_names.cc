#include "engine/io/directory_names.h"

namespace walden {

absl::Status DirectoryNames::Change(absl::FunctionRef<absl::Status()> change) {
  // Whatever the call returns, it may have changed the name; and a sync that another thread does
  // meanwhile may come before it did.
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
