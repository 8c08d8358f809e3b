#include "cli/client/bench_load.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "cli/console/failure.h"

namespace walden::cli {
namespace {

constexpr absl::Duration kProgressInterval = absl::Milliseconds(100);

std::string RandomBytes(uint64_t size) {
  std::mt19937_64 generator(size);  // NOLINT: the same bytes in every run
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(generator());
  return bytes;
}

// What both kinds of load share: when to send, what to send, what came back. Any thread.
class Load {
 public:
  Load(const LoadOptions& options, const Interrupt& interrupt)
      : options_(options), interrupt_(interrupt), start_(absl::Now()) {
    const std::string payload = RandomBytes(options.payload_bytes);
    for (uint64_t table = 1; table <= options.tables; ++table) {
      v1::AppendRequest request;
      request.set_namespace_(options.namespace_id);
      request.set_region_id(options.region);
      request.set_table_id(table);
      request.set_durability(options.durability);
      for (uint64_t i = 0; i < options.batch_records; ++i) request.add_payloads(payload);
      requests_.push_back(std::move(request));
    }
  }

  // The next batch to send, or null when the load is over.
  const v1::AppendRequest* Next() {
    absl::MutexLock lock(&mutex_);
    const bool over = !result_.status.ok() || interrupt_.requested() ||
                      absl::Now() - start_ >= options_.duration ||
                      Reached(options_.max_records, sent_ * options_.batch_records) ||
                      Reached(options_.max_bytes, sent_ * BatchBytes());
    return over ? nullptr : &requests_[sent_++ % requests_.size()];
  }

  void Answered(absl::Time sent, const absl::Status& status) {
    const absl::Time now = absl::Now();
    absl::MutexLock lock(&mutex_);
    if (!status.ok()) {
      result_.status.Update(status);
      return;
    }
    result_.latencies.Record(now - sent);
    ++result_.batches;
    result_.records += options_.batch_records;
    result_.payload_bytes += BatchBytes();
    result_.elapsed = now - start_;
  }

  LoadResult result() const {
    absl::MutexLock lock(&mutex_);
    return result_;
  }

 private:
  static bool Reached(uint64_t limit, uint64_t value) { return limit != 0 && value >= limit; }
  uint64_t BatchBytes() const { return options_.batch_records * options_.payload_bytes; }

  const LoadOptions& options_;
  const Interrupt& interrupt_;
  const absl::Time start_;
  std::vector<v1::AppendRequest> requests_;  // one per table, never changed

  mutable absl::Mutex mutex_;
  uint64_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
  LoadResult result_ ABSL_GUARDED_BY(mutex_);
};

// Keeps `in_flight` unary calls going: each answer sends the next call. All of it runs in gRPC's
// callback threads.
class UnaryLoad {
 public:
  UnaryLoad(Connection& connection, Load& load, uint64_t in_flight)
      : connection_(connection), load_(load), calls_(in_flight) {}

  void Start() {
    {
      absl::MutexLock lock(&mutex_);
      active_ = calls_.size();
    }
    for (Call& call : calls_) Send(call);
  }

  // True when every call was answered.
  bool WaitFor(absl::Duration time) {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(this, &UnaryLoad::IsOver), time);
  }

 private:
  struct Call {
    std::unique_ptr<grpc::ClientContext> context;
    v1::AppendResponse response;
    absl::Time sent;
  };

  bool IsOver() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return active_ == 0; }

  void Send(Call& call) {
    const v1::AppendRequest* request = load_.Next();
    if (request == nullptr) {
      absl::MutexLock lock(&mutex_);
      --active_;
      return;
    }
    call.context = std::make_unique<grpc::ClientContext>();
    call.sent = absl::Now();
    connection_.wal().async()->Append(call.context.get(), request, &call.response,
                                      [this, &call](const grpc::Status& status) {
                                        load_.Answered(call.sent, FromGrpc(status));
                                        Send(call);
                                      });
  }

  Connection& connection_;
  Load& load_;
  std::vector<Call> calls_;
  absl::Mutex mutex_;
  size_t active_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Keeps `in_flight` batches going in one stream. A batch's request_id is the slot that it occupies.
class StreamLoad {
 public:
  StreamLoad(Connection& connection, Load& load, uint64_t in_flight)
      : connection_(connection), load_(load), sent_(in_flight) {
    for (uint64_t slot = 0; slot < in_flight; ++slot) free_slots_.push_back(slot);
  }

  void Start() {
    stream_ = connection_.wal().AppendStream(&context_);
    reader_ = std::thread([this] { ReadAnswers(); });
    writer_ = std::thread([this] { WriteBatches(); });
  }

  // True when everything is over; then Join.
  bool WaitFor(absl::Duration time) {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&ended_), time);
  }

  void Join() {
    writer_.join();
    reader_.join();
    const absl::Status status = connection_.Outcome(stream_->Finish());
    if (!status.ok()) load_.Answered(absl::Now(), status);
  }

 private:
  bool CanSend() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || !free_slots_.empty();
  }

  void WriteBatches() {
    std::vector<v1::AppendStreamRequest> messages;  // one per table, made once
    for (;;) {
      const v1::AppendRequest* request = load_.Next();
      if (request == nullptr) break;
      v1::AppendStreamRequest& message = MessageFor(messages, *request);
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &StreamLoad::CanSend));
        if (ended_) return;
        message.set_request_id(free_slots_.back());
        free_slots_.pop_back();
        sent_[message.request_id()] = absl::Now();
      }
      if (!stream_->Write(message)) return;
    }
    (void)stream_->WritesDone();
  }

  static v1::AppendStreamRequest& MessageFor(std::vector<v1::AppendStreamRequest>& messages,
                                             const v1::AppendRequest& request) {
    for (v1::AppendStreamRequest& message : messages) {
      if (message.append().table_id() == request.table_id()) return message;
    }
    *messages.emplace_back().mutable_append() = request;
    return messages.back();
  }

  void ReadAnswers() {
    v1::AppendStreamResponse answer;
    while (stream_->Read(&answer)) {
      absl::Time sent;
      {
        absl::MutexLock lock(&mutex_);
        if (answer.request_id() >= sent_.size()) continue;
        sent = sent_[answer.request_id()];
        free_slots_.push_back(answer.request_id());
      }
      load_.Answered(sent,
                     answer.has_refused() ? FromRpcStatus(answer.refused()) : absl::OkStatus());
    }
    absl::MutexLock lock(&mutex_);
    ended_ = true;
  }

  Connection& connection_;
  Load& load_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AppendStreamRequest, v1::AppendStreamResponse>>
      stream_;
  std::thread reader_;
  std::thread writer_;
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<absl::Time> sent_ ABSL_GUARDED_BY(mutex_);  // by slot
  std::vector<uint64_t> free_slots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

LoadResult RunLoad(Connection& connection, const LoadOptions& options,
                   absl::FunctionRef<void(const LoadResult&)> on_progress) {
  Load load(options, connection.interrupt());
  if (options.stream) {
    StreamLoad stream(connection, load, options.in_flight);
    stream.Start();
    while (!stream.WaitFor(kProgressInterval)) on_progress(load.result());
    stream.Join();
  } else {
    UnaryLoad unary(connection, load, options.in_flight);
    unary.Start();
    while (!unary.WaitFor(kProgressInterval)) on_progress(load.result());
  }
  return load.result();
}

}  // namespace walden::cli
