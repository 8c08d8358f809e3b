// A stream of chunks of records: the common part of Read, Recover, Scan and Flush.
//
// The next chunk is read and encoded on the readers' executor while the previous one is written,
// and no further ahead: so a slow client holds at most two chunks and slows nobody else. A stream
// that waits, for bytes of the readers' budget or for records that are not there yet, occupies no
// thread and no chunk.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/log_engine.h"
#include "server/call/call.h"
#include "server/call/live_calls.h"
#include "server/call/parse_request.h"
#include "server/call/request_checks.h"
#include "server/limits/chunk.h"
#include "server/read/heartbeat_timer.h"
#include "server/read/read_environment.h"
#include "server/region/followers.h"
#include "server/region/mailbox_job.h"
#include "server/region/read_session.h"
#include "server/region/region_actor.h"

namespace walden {

// Deletes itself when gRPC is done with it. What subclasses override is called by one thread at a
// time.
class ChunkStream : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                    private LiveCall,
                    private BudgetWaiter,
                    private StandingWrite,
                    private TailWaiter {
 public:
  ~ChunkStream() override = default;

 protected:
  enum class Opening {
    kSession,        // a session was set: its records follow
    kNothing,        // there is nothing to stream; FinishRecords ends it
    kWaitForRegion,  // call again when the region exists
    kAgain,          // a step was made: call again, after other readers had their turn
    kLater,          // OpenAgain is called, or was already; do not touch the stream before
  };

  ChunkStream(const ReadEnvironment& environment, Method method,
              const grpc::CallbackServerContext& call)
      : environment_(environment), call_(environment.admission, method, call), grpc_call_(call) {}

  // To be called once, at the end of the subclass's constructor. Parses `bytes` into `request`,
  // lets `check` refuse it, enters the region and begins to stream, or ends the call with the first
  // error. `follow`, which is called after `check`, returns the table at whose end the stream
  // stays.
  template <typename Request>
  void Begin(
      const grpc::ByteBuffer& bytes, Request& request,
      absl::FunctionRef<absl::Status()> check = [] { return absl::OkStatus(); },
      absl::FunctionRef<std::optional<TableId>()> follow =
          [] { return std::optional<TableId>(); }) {
    absl::Status status = ParseRequest(call_, bytes, &request);
    if (status.ok()) status = check();
    absl::StatusOr<EnteredRegion> entered = EnteredRegion{};
    if (status.ok()) {
      entered = call_.EnterRegion(request.namespace_id(), request.region_id(),
                                  Acquires(request) ? Rights(Right::kAppend) : Rights());
    } else {
      entered = status;
    }
    if constexpr (requires { request.acquire(); }) {
      if (entered.ok() && request.has_acquire()) {
        acquiring_ = std::make_unique<Acquiring>(this);
        status = TakeAcquire(request.acquire(), *entered->ns->engine, acquiring_->request);
        if (!status.ok()) entered = status;
      }
    }
    BeginIn(entered, follow(), request.max_message_bytes());
  }

  // Adds the first message and sets `session`. `actor` is null for a region that does not exist.
  virtual absl::StatusOr<Opening> Open(std::shared_ptr<RegionActor> actor,
                                       std::unique_ptr<ReadSession>& session) = 0;

  // For the session's limits: payload bytes that one message holds.
  size_t chunk_payload_bytes() const { return chunk_payload_bytes_; }
  size_t message_bytes() const { return message_bytes_; }

  // Of the region that is read. Set before Open.
  const Namespace& ns() const { return *ns_; }

  // Whether what is read of the log from now on may lack what another one that owns it has stored. To be
  // asked before that is looked up: the log may be taken over in between. `log`: null for a region that
  // does not exist.
  bool MayBeStale(const RegionLog* log) const {
    return log == nullptr ? !ns_->engine->opening_owns() : !log->ownership().is_owner;
  }

  // Whether messages of their own come before the session's records: FillPreface encodes the next.
  virtual bool HasPreface() const { return false; }
  virtual void FillPreface(Chunk&) {}
  // Whether records follow the preface.
  virtual bool WantsRecords() const { return true; }

  // Adds a record to the message that a chunk becomes.
  virtual void EncodeRecord(const RecordView& record, Chunk& chunk) = 0;

  // Of a stream that follows: time between two heartbeats while it waits at the end.
  virtual absl::Duration HeartbeatInterval() const { return absl::InfiniteDuration(); }
  // Adds a message that says where the end is. Called each time the end was reached after records,
  // and for each heartbeat. `log` is null while the region does not exist. Every record below `next`
  // was sent; if there is another one by now, adds nothing and returns false.
  virtual bool AddMark(const RegionLog* /*log*/, SequenceNumber /*next*/) { return true; }

  // Deleted records were passed over (ReadRange::skip_deleted); what is visited next lies behind.
  virtual void OnSkipped(const ReadSession&) {}

  // The status with which the stream ends after reading failed with `status`.
  virtual absl::Status EndOf(const absl::Status& status) const { return status; }

  // Everything was read (`session` is null if nothing was): adds the last message, if there is one.
  // Or says what is wrong, and the stream ends with that.
  virtual absl::Status FinishRecords(const ReadSession* /*session*/) { return absl::OkStatus(); }

  // After kLater: calls Open again, from the readers' executor. Any thread.
  void OpenAgain(std::shared_ptr<RegionActor> actor);

  // To be called from what subclasses override.
  void AddMessage(const google::protobuf::Message& message);
  static void EncodeMessage(const google::protobuf::Message& message, Chunk& chunk);

  // For ReadSession, which counts what it reads.
  Statistics* statistics() const { return &environment_.admission.statistics; }

  const ReadEnvironment& environment_;
  const Call call_;

 private:
  const grpc::CallbackServerContext& grpc_call_;

  // The maker of the next chunk.
  enum class Producer {
    kIdle,            // nobody: there is a chunk to be written first
    kWorking,         // a task of the executor, or the registry or a reader on its way to one
    kWaitingBudget,   // for bytes
    kWaitingRecords,  // for an append, or for the region to be created
    kEnded,
  };

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void OnShutdown() override;
  void OnAccessChanged() override;
  void OnBudget(bool granted) override;
  std::function<void()> OnStall() override;
  void OnVisible() override;

  // Takes the log over before anything of it is read.
  class Acquiring final : public AcquireJob {
   public:
    explicit Acquiring(ChunkStream* stream) : stream_(stream) {}
    void OnAnswered() override { stream_->AfterAcquiring(result); }

   private:
    ChunkStream* const stream_;
  };
  template <typename Request>
  static bool Acquires(const Request& request) {
    if constexpr (requires { request.acquire(); }) return request.has_acquire();
    return false;
  }
  void AfterAcquiring(const absl::Status& status);

  void BeginIn(const absl::StatusOr<EnteredRegion>& entered, std::optional<TableId> follow,
               uint64_t max_message_bytes);
  void FindRegion();
  void AfterFind(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor, uint64_t seen_version);
  void OpenInTurn(std::shared_ptr<RegionActor> actor, uint64_t seen_version);
  void StartProducing() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterBudgetWait(bool granted);
  void Produce();
  absl::StatusOr<ReadProgress> FillChunk(Chunk& chunk);
  void ExpectRecord(size_t payload_bytes);
  absl::Status StallError() const;
  void AfterChunk(const absl::StatusOr<ReadProgress>& progress, uint64_t seen_version);
  void WaitForRecords(TailWaiters& tail_waiters, uint64_t key, uint64_t seen_version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterRecordsWait();
  bool AddMarkHere();
  void StartHeartbeat(absl::Duration delay) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnHeartbeat();
  void Beat();
  void StopWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Why the stream must end before everything was read; OK if it need not.
  absl::Status Stopped() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeMade() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends every change of the state, under the lock of that change: as soon as the lock is free,
  // another thread may finish the stream, which destroys it. So nothing here is used afterwards.
  void AdvanceAndUnlock() ABSL_UNLOCK_FUNCTION(mutex_);
  // Waits, without a thread, until the reader has fetched what comes next; and goes on then.
  void WaitForFetching() ABSL_LOCKS_EXCLUDED(mutex_);
  void AfterFetching() ABSL_LOCKS_EXCLUDED(mutex_);

  RegionKey key_;
  const Namespace* ns_ = nullptr;
  std::unique_ptr<Acquiring> acquiring_;  // null: reads whatever the daemon has of the log
  std::optional<TableId> follow_;
  std::optional<Followers::Follower> follower_;  // of a stream that follows

  // Belongs to the producer.
  std::unique_ptr<ReadSession> session_;
  std::vector<grpc::ByteBuffer> made_;  // messages on their way to messages_
  size_t message_bytes_ = 0;            // no message is larger
  size_t chunk_payload_bytes_ = 0;
  size_t chunk_capacity_ = 0;  // bytes of the next chunk
  // Payload of the largest record that the next chunk takes. One above what fits beside others is
  // a chunk of its own.
  size_t max_record_bytes_ = 0;
  bool mark_due_ = true;              // records were sent, or nothing yet, since the end was marked
  std::atomic<bool> stalled_{false};  // broken off: the client took nothing

  absl::Mutex mutex_;
  Producer producer_ ABSL_GUARDED_BY(mutex_) = Producer::kWorking;
  TailWaiters* waiting_in_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint64_t waiting_for_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<grpc::ByteBuffer> messages_ ABSL_GUARDED_BY(mutex_);  // the first may be under way
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<HeartbeatTimer> heartbeat_ ABSL_GUARDED_BY(mutex_);  // null: none is due
  absl::Duration last_message_ ABSL_GUARDED_BY(mutex_);                // when it was written
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool shutting_down_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status denied_ ABSL_GUARDED_BY(mutex_);  // the caller's rights were taken away
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
