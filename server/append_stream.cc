#include "server/append_stream.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"
#include "server/append_call.h"
#include "server/error_mapping.h"
#include "server/validation.h"

namespace walden {

// One request on its way through. Reused, so that parsing finds memory that it can fill.
class AppendStream::Request final : public AppendJob {
 public:
  explicit Request(AppendStream* stream) : stream_(stream) {}

  void OnAnswered() override { stream_->OnRequestAnswered(this); }

  v1::AppendStreamRequest request;
  v1::AppendStreamResponse response;
  uint64_t held_bytes = 0;
  // Set before the request enters in_flight_.
  RegionKey key;
  absl::Status refused;
  // Guarded by the stream's mutex.
  bool answered = false;

 private:
  AppendStream* const stream_;
};

AppendStream::AppendStream(const RpcContext& context) : context_(context) {
  if (!context_.live_calls->Add(this)) {
    {
      absl::MutexLock lock(&mutex_);
      finished_ = true;
    }
    Finish(ToGrpcStatus(LiveCalls::ShuttingDownError()));
    return;
  }
  live_ = true;
  absl::MutexLock lock(&mutex_);
  ReadNext();
}

AppendStream::~AppendStream() = default;

void AppendStream::OnDone() {
  if (live_) context_.live_calls->Remove(this);
  {
    absl::MutexLock lock(&mutex_);
    delete reading_;
  }
  delete this;
}

bool AppendStream::InFlightFull() const {
  return held_bytes_ >= context_.limits.stream_in_flight_bytes ||
         held_requests_ >= context_.limits.stream_in_flight_requests;
}

void AppendStream::ReadNext() {
  if (no_more_reads_ || reading_ != nullptr || InFlightFull()) return;
  if (unused_.empty()) {
    reading_ = new Request(this);
  } else {
    reading_ = unused_.back().release();
    unused_.pop_back();
  }
  StartRead(&reading_->request);
}

void AppendStream::OnReadDone(bool ok) {
  LeadingTurn lead;
  bool should_finish = false;
  {
    // From before the next read is started until this request is posted, so that the next one,
    // which may arrive on another thread at once, is posted behind it.
    absl::MutexLock order(&order_mutex_);
    Request* request = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      request = std::exchange(reading_, nullptr);
      if (!ok || no_more_reads_) {
        no_more_reads_ = true;
        delete std::exchange(request, nullptr);
        should_finish = ShouldFinish();
      } else {
        Prepare(request);
        held_bytes_ += request->held_bytes;
        ++held_requests_;
        in_flight_.push_back(request);
        // Before the append, so that parsing the next one overlaps with writing this one.
        ReadNext();
      }
    }
    if (request != nullptr) Submit(request, &lead);
  }
  FinishIf(should_finish);
  lead.Run(/*max_groups=*/1);
}

void AppendStream::Submit(Request* request, LeadingTurn* lead) {
  if (!request->refused.ok()) {
    Statistics::Add(context_.statistics->refused_batches, 1);
    request->AnswerRefused(request->refused);
    return;
  }
  context_.registry->Submit(request->key, request, context_.stream_may_lead ? lead : nullptr);
}

// Checks the request and notes where it goes.
void AppendStream::Prepare(Request* request) {
  const v1::AppendRequest& append = request->request.append();
  request->held_bytes = request->request.ByteSizeLong();
  request->answered = false;
  request->refused = absl::OkStatus();
  // Refusals too are answered in their region's order.
  const Namespace* const in = context_.registry->namespaces().Find(append.namespace_());
  request->key = {in == nullptr ? NamespaceId{0} : in->id, append.region_id()};
  if (!request->request.has_append()) {
    request->refused = MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                                 "append is missing", {{"field", "append"}, {"value", ""}});
    return;
  }
  request->refused = PrepareAppend(append, context_, *request).status();
}

void AppendStream::OnRequestAnswered(Request* request) {
  v1::AppendStreamResponse& response = request->response;
  response.set_request_id(request->request.request_id());
  if (request->batch.result.status.ok()) {
    FillAppendResponse(request->batch.result, response.mutable_appended());
  } else {
    response.mutable_refused()->Clear();
    ToProtoStatus(request->batch.result.status, response.mutable_refused());
  }
  bool should_finish = false;
  {
    absl::MutexLock lock(&mutex_);
    request->answered = true;
    Release(request);
    WriteNext();
    ReadNext();
    should_finish = ShouldFinish();
  }
  FinishIf(should_finish);
}

// Moves the request from in_flight_ to answers_, and the answered ones of its region behind it; or
// leaves it for an earlier one of its region to take along.
void AppendStream::Release(Request* request) {
  auto position = in_flight_.begin();
  for (; *position != request; ++position) {
    if ((*position)->key == request->key) return;
  }
  const RegionKey key = request->key;
  while (position != in_flight_.end()) {
    if (!((*position)->key == key)) {
      ++position;
      continue;
    }
    if (!(*position)->answered) return;
    answers_.push_back(*position);
    position = in_flight_.erase(position);
  }
}

void AppendStream::WriteNext() {
  if (no_more_writes_) {
    while (!answers_.empty() && !writing_) {
      Recycle(answers_.front());
      answers_.pop_front();
    }
    return;
  }
  if (writing_ || answers_.empty()) return;
  writing_ = true;
  StartWrite(&answers_.front()->response);
}

void AppendStream::OnWriteDone(bool ok) {
  bool should_finish = false;
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) no_more_writes_ = true;
    Recycle(answers_.front());
    answers_.pop_front();
    WriteNext();
    ReadNext();
    should_finish = ShouldFinish();
  }
  FinishIf(should_finish);
}

void AppendStream::Recycle(Request* request) {
  held_bytes_ -= request->held_bytes;
  --held_requests_;
  // As many as can be in flight at the same size; a client that once sent something large should
  // not occupy memory for ever.
  constexpr size_t kMaxKeptBytes = size_t{1} << 20;
  if (request->held_bytes > kMaxKeptBytes || unused_.size() >= 16) {
    delete request;
    return;
  }
  unused_.emplace_back(request);
}

void AppendStream::OnCancel() {
  bool should_finish = false;
  {
    absl::MutexLock lock(&mutex_);
    no_more_reads_ = true;
    no_more_writes_ = true;
    WriteNext();
    should_finish = ShouldFinish();
  }
  FinishIf(should_finish);
}

void AppendStream::OnShutdown() {
  bool should_finish = false;
  {
    absl::MutexLock lock(&mutex_);
    no_more_reads_ = true;
    end_ = ToGrpcStatus(LiveCalls::ShuttingDownError());
    should_finish = ShouldFinish();
  }
  FinishIf(should_finish);
}

bool AppendStream::ShouldFinish() {
  if (finished_ || !no_more_reads_ || !in_flight_.empty() || !answers_.empty()) return false;
  finished_ = true;
  return true;
}

void AppendStream::FinishIf(bool should_finish) {
  if (!should_finish) return;
  grpc::Status end;
  {
    absl::MutexLock lock(&mutex_);
    end = end_;
  }
  Finish(std::move(end));
}

}  // namespace walden
