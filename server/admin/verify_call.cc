#include "server/admin/verify_call.h"

#include <utility>

#include "server/call/region_to_proto.h"
#include "server/region/shutting_down.h"

namespace walden {

VerifyCall::VerifyCall(const CallAdmission& admission, RegionRegistry& registry,
                       Executor& maintenance, const grpc::CallbackServerContext& call,
                       const v1::VerifyRequest& request)
    : registry_(registry), call_(admission, Method::kVerify, call) {
  const absl::StatusOr<EnteredRegion> entered =
      call_.EnterRegion(request.namespace_(), request.region_id());
  if (!entered.ok()) {
    End(entered.status());
    return;
  }
  key_ = entered->key;
  registry_.Find(key_, [this, &maintenance](absl::StatusOr<std::shared_ptr<RegionActor>> actor) {
    maintenance.Post([this, actor = std::move(actor)] { Run(actor); });
  });
}

void VerifyCall::Run(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor) {
  const auto report = [this](const VerifyProgress& progress) { return Report(progress); };
  if (!actor.ok()) {
    // A region that cannot be opened is verified from its files.
    const absl::Status status = registry_.VerifyBroken(key_, report);
    End(absl::IsUnavailable(status) ? actor.status() : status);
  } else if (*actor != nullptr) {
    End((*actor)->log().Verify(report));
  } else {
    End(absl::OkStatus());  // never written
  }
}

bool VerifyCall::Report(const VerifyProgress& progress) {
  bool go_on = false;
  mutex_.Lock();
  gathered_.set_bytes_checked(progress.bytes_checked);
  gathered_.set_bytes_total(progress.bytes_total);
  gathered_.set_records_checked(progress.records_checked);
  for (const DamagedRange& range : progress.findings) {
    FillDamagedRange(range, gathered_.add_findings());
  }
  has_gathered_ = true;
  go_on = !cancelled_;
  AdvanceAndUnlock();  // it cannot finish before End
  return go_on && !call_.shutting_down() && call_.MayGoOn(key_).ok();
}

void VerifyCall::End(const absl::Status& status) {
  absl::Status stopped;  // why Report said so
  if (status.ok() && call_.shutting_down()) stopped = ShuttingDownError();
  if (status.ok()) stopped.Update(call_.MayGoOn(key_));
  mutex_.Lock();
  ended_ = true;
  end_ = stopped.ok() ? status : stopped;
  if (end_.ok()) {
    gathered_.set_done(true);
    has_gathered_ = true;
  }
  AdvanceAndUnlock();
}

bool VerifyCall::Advance() {
  if (writing_ || finished_) return false;
  if (has_gathered_ && !cancelled_) {
    // The next message repeats the progress, but not the findings.
    written_ = gathered_;
    gathered_.clear_findings();
    has_gathered_ = false;
    writing_ = true;
    StartWrite(&written_);
    return false;
  }
  finished_ = ended_;
  return finished_;
}

void VerifyCall::AdvanceAndUnlock() {
  const bool finish = Advance();
  absl::Status end;
  if (finish) end = std::move(end_);
  mutex_.Unlock();
  if (finish) Finish(call_.End(end));
}

void VerifyCall::OnWriteDone(bool ok) {
  mutex_.Lock();
  writing_ = false;
  if (!ok) cancelled_ = true;
  AdvanceAndUnlock();
}

void VerifyCall::OnCancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
}

}  // namespace walden
