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

// The common part of both kinds of load: when to send, what to send, and the answers. Any thread.
class Load {
 public:
  Load(const LoadOptions& options, const Interrupt& interrupt)
      : options_(options), interrupt_(interrupt), start_(absl::Now()) {
    const std::string payload = RandomBytes(options.payload_bytes);
    for (uint64_t table = 1; table <= options.tables; ++table) {
      v1::AppendRequest request;
      request.set_namespace_id(options.namespace_id);
      request.set_region_id(options.region);
      request.set_durability(options.durability);
      v1::TableAppend& append = *request.add_tables();
      append.set_table_id(table);
      for (uint64_t i = 0; i < options.batch_records; ++i) append.add_payloads(payload);
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
// Small batches for which there is room at the same time share a message.
class StreamLoad {
 public:
  StreamLoad(Connection& connection, Load& load, const LoadOptions& options)
      : connection_(connection),
        load_(load),
        max_message_batches_(MaxMessageBatches(options)),
        sent_(options.in_flight) {
    for (uint64_t slot = 0; slot < options.in_flight; ++slot) free_slots_.push_back(slot);
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
  static size_t MaxMessageBatches(const LoadOptions& options) {
    constexpr uint64_t kMaxMessageBytes = 256 << 10;
    const uint64_t batch_bytes = options.batch_records * (options.payload_bytes + 16);
    const uint64_t fit =
        std::max<uint64_t>(1, kMaxMessageBytes / std::max<uint64_t>(1, batch_bytes));
    return options.max_message_batches == 0 ? fit : std::min(fit, options.max_message_batches);
  }

  bool CanSend() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || !free_slots_.empty();
  }

  void WriteBatches() {
    for (v1::AppendStreamRequest message;; message.Clear()) {
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &StreamLoad::CanSend));
        if (ended_) return;
        AddBatches(message);
      }
      if (message.appends().empty()) break;
      if (!stream_->Write(message)) return;
    }
    (void)stream_->WritesDone();
  }

  void AddBatches(v1::AppendStreamRequest& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::Time now = absl::Now();
    while (!free_slots_.empty() &&
           static_cast<size_t>(message.appends_size()) < max_message_batches_) {
      const v1::AppendRequest* request = load_.Next();
      if (request == nullptr) return;
      v1::StreamedAppend& batch = *message.add_appends();
      batch.set_request_id(free_slots_.back());
      *batch.mutable_append() = *request;
      free_slots_.pop_back();
      sent_[batch.request_id()] = now;
    }
  }

  void ReadAnswers() {
    v1::AppendStreamResponse message;
    while (stream_->Read(&message)) {
      for (const v1::StreamedAppendResult& answer : message.results()) TakeAnswer(answer);
    }
    absl::MutexLock lock(&mutex_);
    ended_ = true;
  }

  void TakeAnswer(const v1::StreamedAppendResult& answer) {
    absl::Time sent;
    {
      absl::MutexLock lock(&mutex_);
      if (answer.request_id() >= sent_.size()) return;
      sent = sent_[answer.request_id()];
      free_slots_.push_back(answer.request_id());
    }
    load_.Answered(sent, answer.has_error() ? FromRpcStatus(answer.error()) : absl::OkStatus());
  }

  Connection& connection_;
  Load& load_;
  const size_t max_message_batches_;
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
    StreamLoad stream(connection, load, options);
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
