#include "tests/bench/load_client.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/bench/measurement.h"
#include "walden/v1/entry.grpc.pb.h"
#include "walden/v1/wal.grpc.pb.h"

namespace walden::bench {
namespace {

// Longer than any answer may take; only a hanging server reaches it.
constexpr int64_t kAnswerTimeoutSeconds = 60;

gpr_timespec AnswerDeadline() {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_seconds(kAnswerTimeoutSeconds, GPR_TIMESPAN));
}

absl::Status NoAnswer() {
  return absl::DeadlineExceededError(
      absl::StrCat("no answer from the server for ", kAnswerTimeoutSeconds, " s"));
}

// Counts what is answered in the time that is measured, which lasts until one answer at least.
class Stopwatch {
 public:
  explicit Stopwatch(const LoadDuration& duration)
      : max_operations_(duration.max_operations),
        start_(NowNanos() + Nanos(duration.warm_up_seconds)),
        end_(start_ + Nanos(duration.seconds)) {}

  // Whether another operation is to be started; counts it.
  bool Start(uint64_t now) {
    const bool time_is_up = now >= end_ && latency_.count() > 0;
    if (time_is_up || started_ >= max_operations_) return false;
    ++started_;
    return true;
  }

  void Answered(uint64_t sent, uint64_t now) {
    if (now < start_ || (now >= end_ && latency_.count() > 0)) return;
    latency_.Record(absl::Nanoseconds(now - sent));
    last_ = now;
  }

  LoadResult Result() const {
    LoadResult result;
    result.operations = latency_.count();
    const uint64_t end = started_ < max_operations_ ? std::max(end_, last_) : last_;
    result.seconds = SecondsBetween(start_, end);
    result.latency = latency_;
    return result;
  }

 private:
  const uint64_t max_operations_;
  const uint64_t start_;
  const uint64_t end_;
  uint64_t last_ = start_;
  uint64_t started_ = 0;
  cli::LatencyHistogram latency_;
};

template <typename Response>
absl::Status CheckStored(const Response& response, uint64_t first_sequence) {
  if (response.durable() && first_sequence >= 1 && !response.duplicate()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("unexpected answer to an append: ", response.ShortDebugString()));
}

absl::Status CheckAnswer(const v1::AppendResponse& response) {
  return CheckStored(response, response.tables().empty() ? 0 : response.tables(0).first_sequence());
}
absl::Status CheckAnswer(const v1::PutResponse& response) {
  return CheckStored(response, response.first_sequence());
}
absl::Status CheckAnswer(const v1::GetResponse& response) {
  for (const v1::GetResult& result : response.results()) {
    if (!result.has_entry()) return absl::InternalError("a key that was put is not there");
  }
  return absl::OkStatus();
}

auto Start(v1::WalService::Stub& stub, grpc::ClientContext* context,
           const v1::AppendRequest& request, grpc::CompletionQueue* queue) {
  return stub.AsyncAppend(context, request, queue);
}
auto Start(v1::EntryService::Stub& stub, grpc::ClientContext* context,
           const v1::PutRequest& request, grpc::CompletionQueue* queue) {
  return stub.AsyncPut(context, request, queue);
}
auto Start(v1::EntryService::Stub& stub, grpc::ClientContext* context,
           const v1::GetRequest& request, grpc::CompletionQueue* queue) {
  return stub.AsyncGet(context, request, queue);
}

// One of the calls in flight, again and again.
template <typename Response>
struct UnaryCall {
  std::optional<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
  Response response;
  grpc::Status status;
  uint64_t sent = 0;
};

template <typename Response, typename Stub, typename Request>
absl::StatusOr<LoadResult> RunUnary(Stub& stub, const std::vector<Request>& requests, int in_flight,
                                    const LoadDuration& duration) {
  grpc::CompletionQueue queue;
  std::vector<UnaryCall<Response>> calls(in_flight);
  size_t next = 0;
  Stopwatch stopwatch(duration);
  absl::Status error;
  int waiting = 0;
  const auto start = [&](UnaryCall<Response>& call, uint64_t now) {
    if (!error.ok() || !stopwatch.Start(now)) return;
    call.context.emplace();
    call.sent = NowNanos();
    call.reader = Start(stub, &*call.context, requests[next], &queue);
    call.reader->Finish(&call.response, &call.status, &call);
    if (++next == requests.size()) next = 0;
    ++waiting;
  };
  for (UnaryCall<Response>& call : calls) start(call, NowNanos());
  while (waiting > 0) {
    void* tag = nullptr;
    bool ok = false;
    if (queue.AsyncNext(&tag, &ok, AnswerDeadline()) != grpc::CompletionQueue::GOT_EVENT) {
      error.Update(NoAnswer());
      for (UnaryCall<Response>& call : calls) {
        if (call.context.has_value()) call.context->TryCancel();
      }
      continue;
    }
    UnaryCall<Response>& call = *static_cast<UnaryCall<Response>*>(tag);
    const uint64_t now = NowNanos();
    error.Update(call.status.ok() ? CheckAnswer(call.response) : ToAbsl(call.status));
    stopwatch.Answered(call.sent, now);
    --waiting;
    start(call, now);
  }
  if (!error.ok()) return error;
  return stopwatch.Result();
}

// The stream's calls to the completion queue; each has at most one of each kind under way.
enum class StreamEvent : intptr_t { kStarted = 1, kWritten, kRead, kHalfClosed, kFinished };

void* Tag(StreamEvent event) { return reinterpret_cast<void*>(event); }

class AppendStreamLoad {
 public:
  AppendStreamLoad(const ChannelPtr& channel, std::vector<v1::AppendStreamRequest> messages,
                   uint64_t in_flight, const LoadDuration& duration)
      : stub_(v1::WalService::NewStub(channel)),
        duration_(duration),
        messages_(std::move(messages)),
        sent_at_(in_flight) {}

  absl::StatusOr<LoadResult> Run();

 private:
  void Handle(StreamEvent event, bool ok);
  void WriteIfRoom();
  void HandleAnswer(const v1::StreamedAppendResult& answer);
  void Fail(absl::Status status);

  const std::unique_ptr<v1::WalService::Stub> stub_;
  const LoadDuration duration_;
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::AppendStreamRequest, v1::AppendStreamResponse>>
      stream_;
  std::optional<Stopwatch> stopwatch_;
  std::vector<v1::AppendStreamRequest> messages_;
  size_t next_message_ = 0;
  v1::AppendStreamResponse response_;
  // When the request of each id was sent, at id modulo the window.
  std::vector<uint64_t> sent_at_;
  uint64_t sent_ = 0;
  uint64_t answered_ = 0;
  bool writing_ = false;
  bool half_closed_ = false;
  bool ended_ = false;
  grpc::Status status_;
  absl::Status error_;
};

void AppendStreamLoad::Fail(absl::Status status) {
  error_.Update(status);
  context_.TryCancel();
}

void AppendStreamLoad::WriteIfRoom() {
  if (writing_ || half_closed_) return;
  v1::AppendStreamRequest& message = messages_[next_message_];
  if (sent_ - answered_ + message.appends_size() > sent_at_.size()) return;
  const uint64_t now = NowNanos();
  writing_ = true;
  if (!error_.ok() || !stopwatch_->Start(now)) {
    half_closed_ = true;
    stream_->WritesDone(Tag(StreamEvent::kHalfClosed));
  } else {
    for (v1::StreamedAppend& append : *message.mutable_appends()) {
      append.set_request_id(sent_);
      sent_at_[sent_ % sent_at_.size()] = now;
      ++sent_;
    }
    if (++next_message_ == messages_.size()) next_message_ = 0;
    stream_->Write(message, Tag(StreamEvent::kWritten));
  }
}

void AppendStreamLoad::HandleAnswer(const v1::StreamedAppendResult& answer) {
  if (answer.request_id() != answered_) {
    Fail(absl::InternalError(absl::StrCat("answer to request ", answer.request_id(),
                                          " where that of ", answered_, " was next")));
  } else if (answer.has_error()) {
    Fail(absl::Status(static_cast<absl::StatusCode>(answer.error().code()),
                      answer.error().message()));
  } else if (absl::Status status = CheckAnswer(answer.response()); !status.ok()) {
    Fail(status);
  } else {
    stopwatch_->Answered(sent_at_[answered_ % sent_at_.size()], NowNanos());
    ++answered_;
  }
}

void AppendStreamLoad::Handle(StreamEvent event, bool ok) {
  switch (event) {
    case StreamEvent::kStarted:
      stopwatch_.emplace(duration_);
      stream_->Read(&response_, Tag(StreamEvent::kRead));
      WriteIfRoom();
      break;
    case StreamEvent::kWritten:
      writing_ = false;
      if (ok) WriteIfRoom();
      break;
    case StreamEvent::kRead:
      if (!ok) {
        stream_->Finish(&status_, Tag(StreamEvent::kFinished));
        break;
      }
      for (const v1::StreamedAppendResult& answer : response_.results()) HandleAnswer(answer);
      stream_->Read(&response_, Tag(StreamEvent::kRead));
      WriteIfRoom();
      break;
    case StreamEvent::kHalfClosed:
      writing_ = false;
      break;
    case StreamEvent::kFinished:
      ended_ = true;
      break;
  }
}

absl::StatusOr<LoadResult> AppendStreamLoad::Run() {
  stream_ = stub_->AsyncAppendStream(&context_, &queue_, Tag(StreamEvent::kStarted));
  while (!ended_) {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, AnswerDeadline()) != grpc::CompletionQueue::GOT_EVENT) {
      Fail(NoAnswer());
      continue;
    }
    Handle(static_cast<StreamEvent>(reinterpret_cast<intptr_t>(tag)), ok);
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
  if (!error_.ok()) return error_;
  if (!status_.ok()) return ToAbsl(status_);
  if (answered_ != sent_) {
    return absl::InternalError(absl::StrCat(sent_ - answered_, " batches were never answered"));
  }
  return stopwatch_->Result();
}

gpr_timespec StreamDeadline() {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_seconds(10 * kAnswerTimeoutSeconds, GPR_TIMESPAN));
}

// One message of a stream.
void Count(int records, uint64_t bytes, uint64_t* last, ReadResult* result) {
  if (records == 0) return;
  if (result->messages++ == 0) result->records_per_message = static_cast<uint64_t>(records);
  result->records += static_cast<uint64_t>(records);
  result->payload_bytes += bytes;
  const uint64_t now = NowNanos();
  result->between_messages.Record(absl::Nanoseconds(now - *last));
  *last = now;
}

// `summarized`: records by the stream's summary; nullopt if it had none.
absl::StatusOr<ReadResult> CheckWhole(const ReadResult& result,
                                      std::optional<uint64_t> summarized) {
  if (summarized == result.records) return result;
  if (!summarized.has_value()) return absl::DataLossError("the stream ended without its summary");
  return absl::DataLossError(
      absl::StrCat(result.records, " records came where the summary counts ", *summarized));
}

}  // namespace

absl::Status ToAbsl(const grpc::Status& status) {
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

absl::StatusOr<LoadResult> RunAppends(const ChannelPtr& channel,
                                      const std::vector<v1::AppendRequest>& requests, int in_flight,
                                      const LoadDuration& duration) {
  const auto stub = v1::WalService::NewStub(channel);
  return RunUnary<v1::AppendResponse>(*stub, requests, in_flight, duration);
}

absl::StatusOr<LoadResult> RunPuts(const ChannelPtr& channel,
                                   const std::vector<v1::PutRequest>& requests, int in_flight,
                                   const LoadDuration& duration) {
  const auto stub = v1::EntryService::NewStub(channel);
  return RunUnary<v1::PutResponse>(*stub, requests, in_flight, duration);
}

absl::StatusOr<LoadResult> RunGets(const ChannelPtr& channel,
                                   const std::vector<v1::GetRequest>& requests, int in_flight,
                                   const LoadDuration& duration) {
  const auto stub = v1::EntryService::NewStub(channel);
  return RunUnary<v1::GetResponse>(*stub, requests, in_flight, duration);
}

absl::StatusOr<LoadResult> RunAppendStream(const ChannelPtr& channel,
                                           const v1::AppendRequest& request, uint64_t in_flight,
                                           const LoadDuration& duration) {
  v1::AppendStreamRequest message;
  *message.add_appends()->mutable_append() = request;
  return RunAppendMessages(channel, {message}, in_flight, duration);
}

absl::StatusOr<LoadResult> RunAppendMessages(const ChannelPtr& channel,
                                             std::vector<v1::AppendStreamRequest> messages,
                                             uint64_t in_flight, const LoadDuration& duration) {
  return AppendStreamLoad(channel, std::move(messages), in_flight, duration).Run();
}

absl::StatusOr<ReadResult> RunRead(const ChannelPtr& channel, const v1::ReadRequest& request) {
  const auto stub = v1::WalService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(StreamDeadline());
  ReadResult result;
  std::optional<uint64_t> summarized;
  const uint64_t start = NowNanos();
  uint64_t last = start;
  const auto reader = stub->Read(&context, request);
  for (v1::ReadResponse response; reader->Read(&response);) {
    uint64_t bytes = 0;
    for (const v1::LogRecord& record : response.records()) bytes += record.payload().size();
    Count(response.records_size(), bytes, &last, &result);
    if (response.has_summary()) summarized = response.summary().record_count();
  }
  const grpc::Status status = reader->Finish();
  result.seconds = SecondsBetween(start, NowNanos());
  if (!status.ok()) return ToAbsl(status);
  return CheckWhole(result, summarized);
}

absl::StatusOr<ReadResult> RunFlush(const ChannelPtr& channel, const v1::FlushRequest& request) {
  const auto stub = v1::EntryService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(StreamDeadline());
  ReadResult result;
  std::optional<uint64_t> summarized;
  const uint64_t start = NowNanos();
  uint64_t last = start;
  const auto reader = stub->Flush(&context, request);
  for (v1::FlushResponse response; reader->Read(&response);) {
    uint64_t bytes = 0;
    for (const v1::Entry& entry : response.entries()) {
      bytes += entry.key().size() + entry.value().size();
    }
    Count(response.entries_size(), bytes, &last, &result);
    if (response.has_summary()) summarized = response.summary().entry_count();
  }
  const grpc::Status status = reader->Finish();
  result.seconds = SecondsBetween(start, NowNanos());
  if (!status.ok()) return ToAbsl(status);
  return CheckWhole(result, summarized);
}

}  // namespace walden::bench
