#include "server/admin/verify_call.h"

#include <utility>

#include "server/call/region_to_proto.h"
#include "server/region/shutting_down.h"

namespace walden {

VerifyCall::VerifyCall(const CallAdmission& admission, RegionRegistry& registry,
                       Executor& maintenance, const grpc::CallbackServerContext& call,
                       const v1::VerifyRegionRequest& request)
    : registry_(registry), call_(admission, Method::kVerifyRegion, call) {
  const absl::StatusOr<EnteredRegion> entered =
      call_.EnterRegion(request.namespace_id(), request.region_id());
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
  v1::VerifyProgress* const so_far = gathered_.mutable_progress();
  so_far->set_checked_bytes(progress.bytes_checked);
  so_far->set_total_bytes(progress.bytes_total);
  so_far->set_checked_record_count(progress.records_checked);
  for (const DamagedRange& range : progress.findings) {
    FillDamagedRange(range, &findings_.emplace_back());
    ++finding_count_;
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
  summary_due_ = end_.ok();
  AdvanceAndUnlock();
}

bool VerifyCall::Advance() {
  if (writing_ || finished_) return false;
  if (!cancelled_ && (has_gathered_ || !findings_.empty())) {
    WriteGathered();
    return false;
  }
  if (!cancelled_ && std::exchange(summary_due_, false)) {
    WriteSummary();
    return false;
  }
  finished_ = ended_;
  return finished_;
}

// Each message repeats the progress. Findings that one message does not hold come with the next.
void VerifyCall::WriteGathered() {
  constexpr size_t kMaxFindings = 2'000;
  written_ = gathered_;
  for (size_t i = 0; i < kMaxFindings && !findings_.empty(); ++i, findings_.pop_front()) {
    *written_.add_findings() = std::move(findings_.front());
  }
  has_gathered_ = false;
  writing_ = true;
  StartWrite(&written_);
}

void VerifyCall::WriteSummary() {
  written_.Clear();
  v1::VerifySummary* const summary = written_.mutable_summary();
  summary->set_checked_bytes(gathered_.progress().checked_bytes());
  summary->set_checked_record_count(gathered_.progress().checked_record_count());
  summary->set_finding_count(finding_count_);
  writing_ = true;
  StartWrite(&written_);
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
