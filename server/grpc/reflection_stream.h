// One stream of server reflection, of either version: their messages are the same on the wire.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/call/live_calls.h"
#include "server/grpc/reflection_answers.h"

namespace walden {

// Answers one request after the other. Needs no rights, and counts towards limits.max_calls. Deletes
// itself when gRPC is done with it.
class ReflectionStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                               private LiveCall {
 public:
  // Both outlive the stream.
  ReflectionStream(LiveCalls& live_calls, const std::vector<std::string>& services);

 private:
  // gRPC's threads.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void OnShutdown() override;
  void OnAccessChanged() override {}

  absl::Status Begin();
  absl::Status Answer();
  // Finishes the stream unless that has been done.
  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  LiveCalls& live_calls_;
  CallCount count_;
  ReflectionAnswers answers_;
  // Used by gRPC while a read or write is under way, and by its callbacks otherwise.
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  absl::Mutex mutex_;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace walden
