#include "server/region/mailbox_job.h"

#include "base/error.h"

namespace walden {
namespace {

absl::Status NotCreated() {
  return MakeError(absl::StatusCode::kNotFound, ErrorReason::kRegionNotFound,
                   "the region does not exist and could not be created");
}

}  // namespace

void MailboxJob::Answer() {
  if (charged_to_ != nullptr) charged_to_->Release(charged_bytes_);
  charged_to_ = nullptr;
  if (counted_in_ != nullptr) counted_in_->fetch_sub(1, std::memory_order_relaxed);
  counted_in_ = nullptr;
  if (charged_tenant_ != nullptr) charged_tenant_->Release(charged_bytes_);
  charged_tenant_ = nullptr;
  OnAnswered();
}

void MailboxJob::AnswerRefused(const absl::Status& status) {
  SetRefused(status);
  Answer();
}

void MailboxJob::AnswerAbsent() {
  SetAbsent();
  Answer();
}

void AppendJob::SetRefused(const absl::Status& status) {
  batch.ClearResult();
  batch.result.status = status;
}

void AppendJob::SetAbsent() { SetRefused(fits_no_region.ok() ? NotCreated() : fits_no_region); }

void FenceJob::SetAbsent() { result = NotCreated(); }

void OpenProducerJob::SetAbsent() { result = NotCreated(); }

std::optional<uint64_t> RegionVersionOf(const MailboxJob& job) {
  switch (job.kind()) {
    case MailboxJob::Kind::kAppend:
      return static_cast<const AppendJob&>(job).batch.region_version;
    case MailboxJob::Kind::kOpenProducer:
      return static_cast<const OpenProducerJob&>(job).region_version;
    case MailboxJob::Kind::kMarkDeleted:
      return static_cast<const MarkDeletedJob&>(job).region_version;
    case MailboxJob::Kind::kFence:
      return static_cast<const FenceJob&>(job).region_version;
    case MailboxJob::Kind::kAcquire:
      return static_cast<const AcquireJob&>(job).request.region_version;
    case MailboxJob::Kind::kSync:
    case MailboxJob::Kind::kNoteDurable:
    case MailboxJob::Kind::kRelease:
      return std::nullopt;
  }
  return std::nullopt;
}

bool NeedsOwner(const MailboxJob& job) {
  switch (job.kind()) {
    case MailboxJob::Kind::kAppend:
    case MailboxJob::Kind::kOpenProducer:
    case MailboxJob::Kind::kMarkDeleted:
    case MailboxJob::Kind::kFence:
      return true;
    case MailboxJob::Kind::kSync:
    case MailboxJob::Kind::kNoteDurable:
    case MailboxJob::Kind::kAcquire:
    case MailboxJob::Kind::kRelease:
      return false;
  }
  return false;
}

}  // namespace walden
