// AppendStream and PutStream: batches in, answers out, many under way.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/append/append_environment.h"
#include "server/append/append_rpc.h"
#include "server/append/ordered_answers.h"
#include "server/call/call.h"
#include "server/call/live_calls.h"
#include "server/region/mailbox_job.h"
#include "server/region/region_actor.h"

namespace walden {

// A message holds one batch or many, and so does a message of answers, which takes all answers that
// may leave when it is written.
//
// While the batches of one message wait for their sync the next messages are read, up to a number of
// bytes and batches; past it, or while its tenant or all mailboxes together hold as much as they may,
// the stream is not read, and HTTP/2 makes the client wait. So nothing of a stream is refused for
// these bounds.
//
// Answers of one region leave in the order of its batches, refusals included. Deletes itself when
// gRPC is done with it. `Rpc` is AppendRpc or PutRpc.
template <typename Rpc>
class BatchStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                          private LiveCall,
                          private RoomWaiter {
 public:
  BatchStream(const AppendEnvironment& environment, const grpc::CallbackServerContext& call);
  ~BatchStream() override;

 private:
  class Batch;
  struct Message;

  // gRPC's threads.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void OnShutdown() override;
  void OnAccessChanged() override;
  bool HasRoom() const override;
  void OnRoom() override;
  void OnBatchAnswered(Batch* batch);

  absl::Status Parse(Message* message) const;
  bool Take(Message* message, absl::Status refused) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckMessage(const Message& message) const;
  void Prepare(Batch* batch, const typename Rpc::Streamed& streamed);
  void Submit(Batch* batch, LeadingTurn* lead);
  void ReadNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropWritten() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Recycle(Message* message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the caller must call Finish, after unlocking and as the last thing it does.
  bool ShouldFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishIf(bool should_finish);
  bool InFlightFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const AppendEnvironment& environment_;
  const Call call_;

  absl::Mutex order_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  absl::Mutex mutex_;
  // Every batch from reading until its answer may leave.
  OrderedAnswers in_flight_ ABSL_GUARDED_BY(mutex_);
  std::deque<Batch*> answers_ ABSL_GUARDED_BY(mutex_);   // to be written
  std::vector<Batch*> written_ ABSL_GUARDED_BY(mutex_);  // of them: in response_
  grpc::ByteBuffer response_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Message>> unused_ ABSL_GUARDED_BY(mutex_);
  Message* reading_ ABSL_GUARDED_BY(mutex_) = nullptr;    // given to gRPC
  uint64_t held_bytes_ ABSL_GUARDED_BY(mutex_) = 0;       // of messages read and not yet recycled
  uint64_t held_batches_ ABSL_GUARDED_BY(mutex_) = 0;     // of these messages
  uint64_t yet_to_be_taken_ ABSL_GUARDED_BY(mutex_) = 0;  // by the batches that are submitted next
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool waits_for_room_ ABSL_GUARDED_BY(mutex_) = false;
  bool no_more_reads_ ABSL_GUARDED_BY(mutex_) = false;   // half-closed, cancelled or shutting down
  bool no_more_writes_ ABSL_GUARDED_BY(mutex_) = false;  // the client is gone
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
};

using AppendStream = BatchStream<AppendRpc>;
using PutStream = BatchStream<PutRpc>;

}  // namespace walden
