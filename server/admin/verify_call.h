// AdminService.VerifyRegion: streams progress and findings while it reads one region again.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/executor.h"
#include "server/call/call.h"
#include "server/call/call_admission.h"
#include "server/region/region_registry.h"
#include "walden/v1/admin.pb.h"

namespace walden {

// Verifying never waits for a slow client: findings since the last message are collected for the
// next one. Deletes itself when gRPC is done with it.
class VerifyCall final : public grpc::ServerWriteReactor<v1::VerifyRegionResponse> {
 public:
  VerifyCall(const CallAdmission& admission, RegionRegistry& registry, Executor& maintenance,
             const grpc::CallbackServerContext& call, const v1::VerifyRegionRequest& request);

 private:
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

  void Run(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor);
  bool Report(const VerifyProgress& progress);
  void End(const absl::Status& status);
  void WriteGathered() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteSummary() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes what was gathered, unless a write is under way. True if the call is to be finished.
  bool Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends every change of the state, under the lock of that change: as soon as the lock is free,
  // another thread may finish the call once it has ended, which destroys it.
  void AdvanceAndUnlock() ABSL_UNLOCK_FUNCTION(mutex_);

  RegionRegistry& registry_;
  const Call call_;
  RegionKey key_;

  absl::Mutex mutex_;
  v1::VerifyRegionResponse gathered_ ABSL_GUARDED_BY(mutex_);  // the progress
  std::deque<v1::DamagedRange> findings_ ABSL_GUARDED_BY(mutex_);
  uint64_t finding_count_ ABSL_GUARDED_BY(mutex_) = 0;
  bool summary_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_gathered_ ABSL_GUARDED_BY(mutex_) = false;
  v1::VerifyRegionResponse written_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
