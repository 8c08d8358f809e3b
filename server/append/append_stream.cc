#include "server/append/append_stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/call/error_to_proto.h"
#include "server/region/append_admission.h"
#include "server/region/shutting_down.h"

namespace walden {

// One request on its way through. Reused.
template <typename Rpc>
class BatchStream<Rpc>::Request final : public AppendJob, public OrderedAnswer {
 public:
  explicit Request(BatchStream* stream) : stream_(stream) {
    tenant = &stream->call_.tenant();
    was_slowed = true;
  }

  absl::Status Abandoned() const override { return stream_->call_.Abandoned(); }
  void OnAnswered() override { stream_->OnRequestAnswered(this); }

  // What came in is not needed once it is answered, and its bytes are counted no more; a client may
  // let the answer lie for as long as it likes.
  void ForgetBatch() {
    request.Clear();
    std::vector<absl::string_view>().swap(batch.payloads);
    std::string().swap(encoded);
  }

  typename Rpc::StreamRequest request;
  typename Rpc::StreamResponse response;
  uint64_t held_bytes = 0;
  absl::Duration arrived;
  absl::Status refused;  // by a check, before it is submitted

 private:
  BatchStream* const stream_;
};

template <typename Rpc>
BatchStream<Rpc>::BatchStream(const AppendEnvironment& environment,
                              const grpc::CallbackServerContext& call)
    : environment_(environment), call_(environment.admission, Rpc::kStream, call) {
  absl::Status refused = call_.refused();
  if (refused.ok()) refused = call_.JoinLiveCalls(this);
  if (refused.ok()) refused = call_.StillRecognised();
  if (!refused.ok()) {
    {
      absl::MutexLock lock(&mutex_);
      finished_ = true;
    }
    this->Finish(call_.End(refused));
    return;
  }
  absl::MutexLock lock(&mutex_);
  ReadNext();
}

template <typename Rpc>
BatchStream<Rpc>::~BatchStream() = default;

template <typename Rpc>
void BatchStream<Rpc>::OnDone() {
  call_.LeaveLiveCalls(this);
  environment_.admission.tenants.Forget(this);
  {
    absl::MutexLock lock(&mutex_);
    delete reading_;
  }
  delete this;
}

template <typename Rpc>
bool BatchStream<Rpc>::InFlightFull() const {
  return held_bytes_ >= environment_.stream_limits.in_flight_bytes ||
         held_requests_ >= environment_.stream_limits.in_flight_requests;
}

template <typename Rpc>
void BatchStream<Rpc>::ReadNext() {
  if (no_more_reads_ || reading_ != nullptr || InFlightFull()) return;
  if (!call_.tenant().HasRoom(yet_to_be_taken_) ||
      !environment_.registry.mailbox_budget().HasRoom(yet_to_be_taken_)) {
    if (!waits_for_room_) environment_.admission.tenants.Wait(this);
    waits_for_room_ = true;
    return;
  }
  if (unused_.empty()) {
    reading_ = new Request(this);
  } else {
    reading_ = unused_.back().release();
    unused_.pop_back();
  }
  this->StartRead(&reading_->request);
}

template <typename Rpc>
bool BatchStream<Rpc>::HasRoom() const {
  return call_.tenant().HasRoom() && environment_.registry.mailbox_budget().HasRoom();
}

template <typename Rpc>
void BatchStream<Rpc>::OnRoom() {
  absl::MutexLock lock(&mutex_);
  waits_for_room_ = false;
  if (!finished_) ReadNext();
}

template <typename Rpc>
void BatchStream<Rpc>::OnReadDone(bool ok) {
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
        in_flight_.Add(request);
        if (request->refused.ok()) yet_to_be_taken_ = AppendAdmission::BytesOf(*request);
        // Before the append, so that parsing the next one overlaps with writing this one.
        ReadNext();
      }
    }
    if (request != nullptr) {
      Submit(request, &lead);
      absl::MutexLock lock(&mutex_);
      yet_to_be_taken_ = 0;
    }
  }
  FinishIf(should_finish);
  lead.Run(/*max_groups=*/1);
}

template <typename Rpc>
void BatchStream<Rpc>::Submit(Request* request, LeadingTurn* lead) {
  if (!request->refused.ok()) {
    Statistics::Add(environment_.admission.statistics.refused_batches, 1);
    request->AnswerRefused(request->refused);
    return;
  }
  environment_.registry.Submit(request->key, request,
                               environment_.may_lead.stream ? lead : nullptr);
}

// Checks the request and notes where it goes.
template <typename Rpc>
void BatchStream<Rpc>::Prepare(Request* request) {
  const typename Rpc::Request& batch = Rpc::BatchOf(request->request);
  request->arrived = call_.Now();
  request->held_bytes = request->request.ByteSizeLong();
  request->refused = absl::OkStatus();
  if (Rpc::HasBatch(request->request)) {
    const absl::StatusOr<RegionKey> key = Rpc::Prepare(batch, call_, environment_.limits, *request);
    if (key.ok()) {
      request->key = *key;
      return;
    }
    request->refused = key.status();
  } else {
    request->refused = MakeError(absl::StatusCode::kInvalidArgument, ErrorReason::kInvalidField,
                                 absl::StrCat(Rpc::kField, " is missing"),
                                 {{"field", std::string(Rpc::kField)}, {"value", ""}});
  }
  // Refusals too are answered in their region's order.
  const Namespace* const ns = environment_.registry.namespaces().Find(batch.namespace_());
  request->key = {ns == nullptr ? NamespaceId{0} : ns->id, batch.region_id()};
}

template <typename Rpc>
void BatchStream<Rpc>::OnRequestAnswered(Request* request) {
  call_.CountRequest(request->arrived);
  typename Rpc::StreamResponse& response = request->response;
  response.set_request_id(request->request.request_id());
  if (request->batch.result.status.ok()) {
    FillBatchResponse(request->batch.result, Rpc::Accepted(response));
  } else {
    call_.CountRefusal(request->batch.result.status);
    response.mutable_refused()->Clear();
    ToProtoStatus(request->batch.result.status, response.mutable_refused());
  }
  request->ForgetBatch();
  bool should_finish = false;
  {
    absl::MutexLock lock(&mutex_);
    for (OrderedAnswer* const answer : in_flight_.Answered(request)) {
      answers_.push_back(static_cast<Request*>(answer));
    }
    WriteNext();
    ReadNext();
    should_finish = ShouldFinish();
  }
  FinishIf(should_finish);
}

template <typename Rpc>
void BatchStream<Rpc>::WriteNext() {
  if (no_more_writes_) {
    while (!answers_.empty() && !writing_) {
      Recycle(answers_.front());
      answers_.pop_front();
    }
    return;
  }
  if (writing_ || answers_.empty()) return;
  writing_ = true;
  this->StartWrite(&answers_.front()->response);
}

template <typename Rpc>
void BatchStream<Rpc>::OnWriteDone(bool ok) {
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

template <typename Rpc>
void BatchStream<Rpc>::Recycle(Request* request) {
  held_bytes_ -= request->held_bytes;
  --held_requests_;
  constexpr size_t kMaxKept = 16;
  if (unused_.size() >= kMaxKept) {
    delete request;
    return;
  }
  unused_.emplace_back(request);
}

template <typename Rpc>
void BatchStream<Rpc>::OnCancel() {
  bool should_finish = false;
  {
    absl::MutexLock lock(&mutex_);
    no_more_reads_ = true;
    no_more_writes_ = true;
    if (end_.ok()) end_ = absl::CancelledError("the client cancelled the stream");
    WriteNext();
    should_finish = ShouldFinish();
  }
  FinishIf(should_finish);
}

template <typename Rpc>
void BatchStream<Rpc>::OnShutdown() {
  bool should_finish = false;
  {
    absl::MutexLock lock(&mutex_);
    no_more_reads_ = true;
    end_ = ShuttingDownError();
    should_finish = ShouldFinish();
  }
  FinishIf(should_finish);
}

// Each request is checked by itself; only who is not recognised any more loses the stream.
template <typename Rpc>
void BatchStream<Rpc>::OnAccessChanged() {
  const absl::Status status = call_.StillRecognised();
  if (status.ok()) return;
  bool should_finish = false;
  {
    absl::MutexLock lock(&mutex_);
    no_more_reads_ = true;
    end_ = status;
    should_finish = ShouldFinish();
  }
  FinishIf(should_finish);
}

template <typename Rpc>
bool BatchStream<Rpc>::ShouldFinish() {
  if (finished_ || !no_more_reads_ || !in_flight_.empty() || !answers_.empty()) return false;
  finished_ = true;
  return true;
}

template <typename Rpc>
void BatchStream<Rpc>::FinishIf(bool should_finish) {
  if (!should_finish) return;
  absl::Status end;
  {
    absl::MutexLock lock(&mutex_);
    end = end_;
  }
  this->Finish(call_.End(end));
}

template class BatchStream<AppendRpc>;
template class BatchStream<PutRpc>;

}  // namespace walden
