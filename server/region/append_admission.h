// Decides whether an append may wait in a mailbox, by the disk's reserve, the limits of its tenant,
// and the bytes that all mailboxes may hold.
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

  // Takes the job's bytes until the job is answered. Takes none and returns RESOURCE_EXHAUSTED with
  // DISK_RESERVE, TENANT_LIMIT or MAILBOX_FULL if there is no room; an append always has room in
  // mailboxes that are empty. Jobs of a stream (was_slowed)
  // may exceed the bounds on bytes, because their stream is not read until there is room again.
  // Jobs that are no appends are always admitted: they free memory and disk, or hold none.
  // `disk` is the disk of the job's namespace. Null means that its free space is not checked.
  absl::Status Admit(MailboxJob* job, const DiskSpace* disk);

  // The bytes that an append is charged.
  static uint64_t BytesOf(const AppendJob& append);

  const MemoryBudget& mailboxes() const { return mailboxes_; }

 private:
  absl::Status Charge(MailboxJob* job, Tenant* tenant, uint64_t bytes);

  MemoryBudget mailboxes_;
};

}  // namespace walden
