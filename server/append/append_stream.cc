#include "server/append/append_stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/call/error_to_proto.h"
#include "server/call/parse_request.h"
#include "server/call/request_checks.h"
#include "server/region/append_admission.h"
#include "server/region/shutting_down.h"

namespace walden {
namespace {

constexpr uint64_t kAnswerBytes = 256;  // of one batch, about

}  // namespace

// One batch on its way through. Reused.
template <typename Rpc>
class BatchStream<Rpc>::Batch final : public AppendJob, public OrderedAnswer {
 public:
  Batch(BatchStream* stream, Message* message) : message(message), stream_(stream) {
    tenant = &stream->call_.tenant();
    was_slowed = true;
  }

  absl::Status Abandoned() const override { return stream_->call_.Abandoned(); }
  void OnAnswered() override { stream_->OnBatchAnswered(this); }

  // An answered batch needs no payloads, and a client may let the answer lie for as long as it likes.
  // A little memory is kept for the next batch.
  void ForgetPayloads() {
    constexpr size_t kKeptTables = 1;
    constexpr size_t kKeptPayloads = 16;
    constexpr size_t kKeptBytes = 1024;
    if (batch.tables.size() > kKeptTables) batch.tables.resize(kKeptTables);
    for (TableAppend& table : batch.tables) {
      if (table.payloads.capacity() > kKeptPayloads) {
        std::vector<absl::string_view>().swap(table.payloads);
      }
      table.payloads.clear();
    }
    if (encoded.capacity() > kKeptBytes) std::string().swap(encoded);
  }

  Message* const message;  // that it came in
  typename Rpc::StreamedResult answer;
  absl::Status refused;  // by a check, before it is submitted

 private:
  BatchStream* const stream_;
};

// A message that was read, until the answers to all its batches are written. Reused.
template <typename Rpc>
struct BatchStream<Rpc>::Message {
  grpc::ByteBuffer bytes;  // until they are parsed
  typename Rpc::StreamRequest proto;
  uint64_t parsed_bytes = 0;
  std::vector<std::unique_ptr<Batch>> batches;  // at least as many as the message has
  size_t unanswered = 0;
  size_t unwritten = 0;
  uint64_t held_batches = 0;
  uint64_t held_bytes = 0;
  absl::Duration arrived;
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

// ---------------------------------------------------------------------------------------------------
// In

template <typename Rpc>
bool BatchStream<Rpc>::InFlightFull() const {
  return held_bytes_ >= environment_.stream_limits.in_flight_bytes ||
         held_batches_ >= environment_.stream_limits.in_flight_requests;
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
    reading_ = new Message;
  } else {
    reading_ = unused_.back().release();
    unused_.pop_back();
  }
  this->StartRead(&reading_->bytes);
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
  Message* arrived = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    arrived = reading_;  // which is this thread's until it is exchanged below
  }
  const absl::Status parsed = ok ? Parse(arrived) : absl::OkStatus();
  {
    // From before the next read is started until these batches are posted, so that the next ones,
    // which may arrive on another thread at once, are posted behind them.
    absl::MutexLock order(&order_mutex_);
    Message* message = nullptr;
    size_t batches = 0;
    {
      absl::MutexLock lock(&mutex_);
      message = std::exchange(reading_, nullptr);
      if (!ok) no_more_reads_ = true;
      if (no_more_reads_ || !Take(message, parsed)) {
        delete std::exchange(message, nullptr);
        should_finish = ShouldFinish();
      } else {
        // Once the last of them is answered, the message is no more.
        batches = message->unanswered;
        // Before the appends, so that parsing the next message overlaps with writing these.
        ReadNext();
      }
    }
    for (size_t i = 0; i < batches; ++i) Submit(message->batches[i].get(), &lead);
    absl::MutexLock lock(&mutex_);
    yet_to_be_taken_ = 0;
  }
  FinishIf(should_finish);
  lead.Run(/*max_groups=*/1);
}

template <typename Rpc>
absl::Status BatchStream<Rpc>::Parse(Message* message) const {
  const absl::StatusOr<uint64_t> parsed =
      ParseMessage(message->bytes, &message->proto, environment_.limits.max_parsed_bytes);
  message->bytes.Clear();
  if (!parsed.ok()) return parsed.status();
  message->parsed_bytes = *parsed;
  return CheckMessage(*message);
}

// Checks the batches of a message that arrived, and gives each its place among the answers. False if
// the message is refused as a whole: then the stream ends once everything before it is answered.
template <typename Rpc>
bool BatchStream<Rpc>::Take(Message* message, absl::Status refused) {
  if (!refused.ok()) {
    no_more_reads_ = true;
    call_.CountRefusal(refused);
    end_ = std::move(refused);
    return false;
  }
  const auto& streamed = Rpc::BatchesOf(message->proto);
  const size_t count = streamed.size();
  while (message->batches.size() < count) {
    message->batches.push_back(std::make_unique<Batch>(this, message));
  }
  message->arrived = call_.Now();
  message->held_bytes = message->parsed_bytes + count * (sizeof(Batch) + kAnswerBytes);
  message->unanswered = count;
  message->unwritten = count;
  held_bytes_ += message->held_bytes;
  message->held_batches = count;
  held_batches_ += count;
  for (size_t i = 0; i < count; ++i) {
    Batch* const batch = message->batches[i].get();
    Prepare(batch, streamed[static_cast<int>(i)]);
    in_flight_.Add(batch);
    if (batch->refused.ok()) yet_to_be_taken_ += AppendAdmission::BytesOf(*batch);
  }
  return true;
}

template <typename Rpc>
absl::Status BatchStream<Rpc>::CheckMessage(const Message& message) const {
  const uint64_t count = Rpc::BatchesOf(message.proto).size();
  const std::string field = absl::StrCat(Rpc::kField, "s");
  if (count == 0) return InvalidField(field, "0", "must hold at least one");
  const uint64_t limit = environment_.limits.max_stream_message_batches;
  if (count > limit) return OverLimit(field, "the limit of a message", count, limit);
  return absl::OkStatus();
}

// Checks the batch and notes where it goes.
template <typename Rpc>
void BatchStream<Rpc>::Prepare(Batch* batch, const typename Rpc::Streamed& streamed) {
  const typename Rpc::Request& request = Rpc::BatchOf(streamed);
  batch->answer.set_request_id(streamed.request_id());
  batch->refused = absl::OkStatus();
  if (Rpc::HasBatch(streamed)) {
    const absl::StatusOr<RegionKey> key = Rpc::Prepare(request, call_, environment_.limits, *batch);
    if (key.ok()) {
      batch->key = *key;
      return;
    }
    batch->refused = key.status();
  } else {
    batch->refused = InvalidField(Rpc::kField, "", "is missing");
  }
  // Refusals too are answered in their region's order.
  const Namespace* const ns = environment_.registry.namespaces().Find(request.namespace_id());
  batch->key = {ns == nullptr ? NamespaceId{0} : ns->id, request.region_id()};
}

template <typename Rpc>
void BatchStream<Rpc>::Submit(Batch* batch, LeadingTurn* lead) {
  if (!batch->refused.ok()) {
    Statistics::Add(environment_.admission.statistics.refused_batches, 1);
    batch->AnswerRefused(batch->refused);
    return;
  }
  // A thread leads one region's turn at most.
  const bool may_lead = environment_.may_lead.stream && !lead->granted();
  environment_.registry.Submit(batch->key, batch, may_lead ? lead : nullptr);
}

// ---------------------------------------------------------------------------------------------------
// Out

template <typename Rpc>
void BatchStream<Rpc>::OnBatchAnswered(Batch* batch) {
  const absl::Status& status = batch->batch.result.status;
  call_.CountRequest(batch->message->arrived);
  if (status.ok()) {
    FillBatchResponse(batch->batch, Rpc::Accepted(batch->answer));
  } else {
    call_.CountRefusal(status);
    ToProtoStatus(status, batch->answer.mutable_error());
  }
  batch->ForgetPayloads();
  bool should_finish = false;
  {
    absl::MutexLock lock(&mutex_);
    if (--batch->message->unanswered == 0) batch->message->proto.Clear();
    for (OrderedAnswer* const answer : in_flight_.Answered(batch)) {
      answers_.push_back(static_cast<Batch*>(answer));
    }
    WriteNext();
    ReadNext();
    should_finish = ShouldFinish();
  }
  FinishIf(should_finish);
}

template <typename Rpc>
void BatchStream<Rpc>::WriteNext() {
  if (writing_) return;
  if (no_more_writes_) {
    written_.assign(answers_.begin(), answers_.end());
    answers_.clear();
    DropWritten();
    return;
  }
  if (answers_.empty()) return;
  constexpr size_t kMaxBytes = size_t{1} << 20;  // and one answer more
  typename Rpc::StreamResponse response;
  for (size_t bytes = 0; !answers_.empty() && bytes < kMaxBytes; answers_.pop_front()) {
    Batch* const batch = answers_.front();
    bytes += batch->answer.ByteSizeLong();
    response.add_results()->Swap(&batch->answer);
    written_.push_back(batch);
  }
  response_ = ToBytes(response);
  writing_ = true;
  this->StartWrite(&response_);
}

template <typename Rpc>
void BatchStream<Rpc>::OnWriteDone(bool ok) {
  bool should_finish = false;
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) no_more_writes_ = true;
    response_.Clear();
    DropWritten();
    WriteNext();
    ReadNext();
    should_finish = ShouldFinish();
  }
  FinishIf(should_finish);
}

template <typename Rpc>
void BatchStream<Rpc>::DropWritten() {
  for (Batch* const batch : written_) {
    batch->answer.Clear();
    if (--batch->message->unwritten == 0) Recycle(batch->message);
  }
  written_.clear();
}

template <typename Rpc>
void BatchStream<Rpc>::Recycle(Message* message) {
  held_bytes_ -= message->held_bytes;
  constexpr size_t kMaxKeptMessages = 16;
  constexpr size_t kMaxKeptBatches = 128;  // of one message
  // Only the batches of this message count, not those that it kept from earlier ones.
  held_batches_ -= message->held_batches;
  if (unused_.size() >= kMaxKeptMessages) {
    delete message;
    return;
  }
  if (message->batches.size() > kMaxKeptBatches) message->batches.resize(kMaxKeptBatches);
  unused_.emplace_back(message);
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

// Each batch is checked by itself; only who is not recognised any more loses the stream.
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
  if (finished_ || !no_more_reads_ || !in_flight_.empty() || !answers_.empty() || writing_) {
    return false;
  }
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
