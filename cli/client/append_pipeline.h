// Appends batches over one AppendStream without waiting for each answer, and over a new one with
// the same producer tags when the connection breaks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cli/client/connection.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"
#include "walden/v1/wal.pb.h"

namespace walden::cli {

// The batches must all go to one region, and their producer numbers rise by one. Send, Flush,
// WaitForAnswers and Finish: one thread.
//
// A batch is sent at once while nothing is in flight. Small batches that come while others are in
// flight are gathered into one message, which is sent when it is full, when no more batches may be
// in flight, or by Flush.
//
// Guarantees: batches are stored in the order of Send, each at most once: the daemon refuses the
// successors of a refused batch until it is stored. When a call fails, which batches are stored for
// sure is what `on_appended` was told.
class AppendPipeline {
 public:
  struct Options {
    // Batches sent and not answered. With retries at most as many as the daemon recognises.
    size_t max_in_flight = 16;
    // Bounds of a message with several batches. A larger batch is a message of its own.
    size_t max_message_batches = 1024;
    size_t max_message_bytes = 256 << 10;
    // For how long UNAVAILABLE and RESOURCE_EXHAUSTED are retried without any progress. Zero =
    // never. Give it only if every batch carries a producer tag.
    absl::Duration retry_for = absl::ZeroDuration();
  };
  // Called once per stored batch, in order, in a thread of the pipeline.
  using OnAppended =
      std::function<void(const v1::AppendRequest& request, const v1::AppendResponse& response)>;

  AppendPipeline(Connection& connection, Options options, OnAppended on_appended);
  ~AppendPipeline();  // cancels what is not finished
  AppendPipeline(const AppendPipeline&) = delete;
  AppendPipeline& operator=(const AppendPipeline&) = delete;

  // Waits while too many batches are in flight. An error is of an earlier batch, and final.
  absl::Status Send(v1::AppendRequest request);

  // Sends what is gathered. Call it when the next batch may be long in coming.
  absl::Status Flush();

  // Until every batch sent was answered.
  absl::Status WaitForAnswers();

  // The same, and closes the stream.
  absl::Status Finish();

  // After a failure: batches that may or may not be stored, because they were not answered or
  // because the daemon does not know.
  size_t uncertain_batches() const;

 private:
  using Stream = grpc::ClientReaderWriter<v1::AppendStreamRequest, v1::AppendStreamResponse>;
  using Message = std::shared_ptr<v1::AppendStreamRequest>;
  using Batch = std::shared_ptr<const v1::StreamedAppend>;  // a part of its message

  struct Session {
    grpc::ClientContext context;
    std::unique_ptr<Stream> stream;
    std::thread answers;
  };

  bool SessionBroken() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stream_ended_ || !refusal_.ok();
  }
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return SessionBroken() || unanswered_.size() + gathered_batches() < options_.max_in_flight;
  }
  bool IsSettled() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return SessionBroken() || unanswered_.empty();
  }

  size_t gathered_batches() const {
    return gathered_ == nullptr ? 0 : static_cast<size_t>(gathered_->appends_size());
  }
  bool IsSettledNow() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool FitsMessage(const v1::AppendStreamRequest& message, size_t message_bytes,
                   size_t batch_bytes) const;

  void Open();
  // Until another batch may be gathered. Sends what is gathered if that takes answers.
  absl::Status WaitForRoom();
  // Writes the batches over the session, several in a message, until it breaks.
  void SendAgain(const std::vector<Batch>& batches);
  void ReadAnswers(Stream& stream);
  // False if the answer makes no sense.
  bool TakeAnswer(const v1::StreamedAppendResult& answer);
  Batch FindUnanswered(uint64_t request_id) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the session after everything that will be answered was answered; why it ended.
  absl::Status End();
  // Ends a broken session and, if that is allowed, sends what is unanswered over a new one.
  absl::Status Reopen();
  // Whether to try again after `cause`; waits before it says yes.
  bool MayRetry(const absl::Status& cause);

  Connection& connection_;
  const Options options_;
  const OnAppended on_appended_;

  // The sending thread's.
  std::unique_ptr<Session> session_;
  uint64_t next_request_id_ = 1;
  Message gathered_;  // not sent yet; null if nothing is gathered
  size_t gathered_bytes_ = 0;
  std::optional<absl::Time> failing_since_;
  absl::Duration backoff_;
  absl::Status failed_;  // final

  mutable absl::Mutex mutex_;
  // The batches to send again if the session breaks, in order. A refused batch stays among them.
  std::deque<Batch> unanswered_ ABSL_GUARDED_BY(mutex_);
  bool stream_ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);  // the first one of this session
  // By request_id, batches in unanswered_: those that this session refused and did not store, and those
  // that an earlier session may have stored.
  absl::flat_hash_set<uint64_t> refused_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<uint64_t> in_doubt_ ABSL_GUARDED_BY(mutex_);
  bool progressed_ ABSL_GUARDED_BY(mutex_) = false;  // a batch was stored in this session
};

}  // namespace walden::cli
