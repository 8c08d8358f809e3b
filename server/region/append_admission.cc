#include "server/region/append_admission.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {
namespace {

// Bytes that an append occupies besides its payload: its parsed request, its job and its answer.
constexpr uint64_t kAppendOverheadBytes = 768;
constexpr uint64_t kTableOverheadBytes = 320;
constexpr uint64_t kPayloadOverheadBytes = 96;

}  // namespace

uint64_t AppendAdmission::BytesOf(const AppendJob& append) {
  return append.payload_bytes + kAppendOverheadBytes +
         kTableOverheadBytes * append.batch.tables.size() +
         kPayloadOverheadBytes * append.batch.records();
}

absl::Status AppendAdmission::Admit(MailboxJob* job, const DiskSpace* disk) {
  if (job->kind() != MailboxJob::Kind::kAppend) return absl::OkStatus();
  if (disk != nullptr) {
    if (absl::Status status = disk->CheckAppends(); !status.ok()) return status;
  }
  const auto* append = static_cast<const AppendJob*>(job);
  const uint64_t bytes = BytesOf(*append);
  Tenant* const tenant = append->tenant;
  if (append->was_slowed) {
    if (tenant != nullptr) tenant->AcquireSlowed(bytes, append->payload_bytes);
    mailboxes_.Acquire(bytes);
    return Charge(job, tenant, bytes);
  }
  if (tenant != nullptr) {
    const absl::Status status = tenant->TryAcquire(bytes, append->payload_bytes);
    if (!status.ok()) return status;
  }
  if (!mailboxes_.TryAcquireOrAlone(bytes)) {
    if (tenant != nullptr) {
      tenant->Release(bytes);
      tenant->Return(append->payload_bytes);
    }
    return MakeError(
        absl::StatusCode::kResourceExhausted, ErrorReason::kMailboxFull,
        "too many bytes of appends wait to be written; nothing was stored, try again later",
        {{"field", "limits.mailbox_bytes"},
         {"value", absl::StrCat(mailboxes_.used())},
         {"limit", absl::StrCat(mailboxes_.limit())}});
  }
  return Charge(job, tenant, bytes);
}

absl::Status AppendAdmission::Charge(MailboxJob* job, Tenant* tenant, uint64_t bytes) {
  job->charged_to_ = &mailboxes_;
  job->charged_tenant_ = tenant;
  job->charged_bytes_ = bytes;
  return absl::OkStatus();
}

}  // namespace walden
