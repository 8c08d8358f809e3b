// Whether an append may wait in a mailbox: the disk's reserve, its tenant's limits, and the bytes
// that all mailboxes may hold.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/memory_budget.h"
#include "engine/io/disk_space.h"
#include "server/region/mailbox_job.h"

namespace walden {

// Any thread may use it.
class AppendAdmission {
 public:
  explicit AppendAdmission(uint64_t mailbox_bytes) : mailboxes_(mailbox_bytes) {}

  // Takes the job's bytes, which it gives back when it is answered. RESOURCE_EXHAUSTED with
  // DISK_RESERVE, TENANT_LIMIT or MAILBOX_FULL: then it holds none. Jobs of a stream (was_slowed)
  // are let in past the bounds on bytes: their stream is not read on until there is room again.
  // Jobs that are no appends are always let in: they free memory and disk, or hold none.
  // `disk` is what the job's namespace is on; null: appends are taken however full it is.
  absl::Status Admit(MailboxJob* job, const DiskSpace* disk);

  // The bytes that an append is charged.
  static uint64_t BytesOf(const AppendJob& append);

  const MemoryBudget& mailboxes() const { return mailboxes_; }

 private:
  absl::Status Charge(MailboxJob* job, Tenant* tenant, uint64_t bytes);

  MemoryBudget mailboxes_;
};

}  // namespace walden
