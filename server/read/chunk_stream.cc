#include "server/read/chunk_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/call/break_off.h"
#include "server/call/request_checks.h"
#include "server/region/shutting_down.h"

namespace walden {
namespace {

void DestroyChunk(void* chunk) { delete static_cast<Chunk*>(chunk); }

// The chunk goes when gRPC has no more use for its bytes.
grpc::ByteBuffer ToByteBuffer(std::unique_ptr<Chunk> chunk) {
  Chunk* const owned = chunk.release();
  const grpc::Slice slice(owned->data(), owned->size(), DestroyChunk, owned);
  return grpc::ByteBuffer(&slice, 1);
}

// A chunk is closed by the record that reaches its payload limit. So it holds that limit, one
// record of up to a quarter of it, and what encoding adds: to the tiniest records, of which
// ReadSession puts no more than one per 64 bytes of the limit in, at most 34 bytes each.
size_t ChunkCapacity(size_t payload_limit) { return 2 * payload_limit + 128; }
size_t MaxPayloadBytes(size_t capacity) { return (capacity - 128) / 2; }
size_t MaxRecordBytes(size_t payload_limit) { return payload_limit / 4; }

absl::Status Cancelled() { return absl::CancelledError("the client cancelled the call"); }

}  // namespace

void ChunkStream::BeginIn(const absl::StatusOr<EnteredRegion>& entered,
                          std::optional<TableId> follow, uint64_t max_message_bytes) {
  absl::Status refused = entered.status();
  const absl::StatusOr<size_t> message_bytes = CheckMessageBytes(max_message_bytes);
  if (refused.ok()) refused = message_bytes.status();
  if (refused.ok()) {
    key_ = entered->key;
    ns_ = entered->ns;
    follow_ = follow;
    message_bytes_ = *message_bytes;
    chunk_payload_bytes_ =
        std::min<size_t>(environment_.chunk_bytes, MaxPayloadBytes(message_bytes_));
    ExpectRecord(0);
    refused = call_.JoinLiveCalls(this);
  }
  if (refused.ok()) refused = call_.MayGoOn(key_);
  if (refused.ok() && acquiring_ != nullptr) {
    environment_.registry.Submit(key_, acquiring_.get());
    return;
  }
  if (refused.ok()) {
    FindRegion();
    return;
  }
  mutex_.Lock();
  End(refused);
  AdvanceAndUnlock();
}

void ChunkStream::AfterAcquiring(const absl::Status& status) {
  if (status.ok()) {
    FindRegion();
    return;
  }
  mutex_.Lock();
  End(status);
  AdvanceAndUnlock();
}

void ChunkStream::AddMessage(const google::protobuf::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  made_.emplace_back(&slice, 1);
}

void ChunkStream::EncodeMessage(const google::protobuf::Message& message, Chunk& chunk) {
  const size_t bytes = message.ByteSizeLong();
  char* const begin = chunk.Reserve(bytes);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(begin));
  chunk.Commit(begin + bytes);
}

void ChunkStream::TakeMade() {
  for (grpc::ByteBuffer& message : made_) messages_.push_back(std::move(message));
  made_.clear();
}

// ---------------------------------------------------------------------------------------------------
// The producer: one step at a time, each on the readers' executor

void ChunkStream::FindRegion() {
  const uint64_t seen_version = environment_.registry.openings().version();
  environment_.registry.Find(
      key_, [this, seen_version](absl::StatusOr<std::shared_ptr<RegionActor>> actor) {
        // Not here: opening a reader may touch the disk.
        environment_.readers.Post(
            [this, seen_version, actor = std::move(actor)] { AfterFind(actor, seen_version); });
      });
}

void ChunkStream::AfterFind(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor,
                            uint64_t seen_version) {
  const absl::StatusOr<Opening> opening =
      actor.ok() ? Open(*actor, session_) : absl::StatusOr<Opening>(actor.status());
  if (opening.ok() && *opening == Opening::kLater) return;
  if (opening.ok() && *opening == Opening::kAgain) {
    OpenInTurn(*actor, seen_version);
    return;
  }
  if (session_ != nullptr && follow_.has_value()) {
    follower_.emplace(&environment_.followers, key_, *follow_, session_->next());
  }
  absl::Status finished;
  if (opening.ok() && *opening == Opening::kNothing) finished = FinishRecords(nullptr);
  const bool waits = opening.ok() && *opening == Opening::kWaitForRegion;
  if (waits && mark_due_) mark_due_ = !AddMarkHere();
  mutex_.Lock();
  TakeMade();
  if (!opening.ok()) {
    End(opening.status());
  } else if (*opening == Opening::kSession) {
    producer_ = Producer::kIdle;
  } else if (*opening == Opening::kWaitForRegion) {
    WaitForRecords(environment_.registry.openings(), key_.region, seen_version);
  } else {
    End(finished);
  }
  AdvanceAndUnlock();
}

// Calls Open again, unless nobody waits for it any more. Messages that were made are sent meanwhile.
void ChunkStream::OpenInTurn(std::shared_ptr<RegionActor> actor, uint64_t seen_version) {
  const absl::Status abandoned = call_.Abandoned();
  mutex_.Lock();
  TakeMade();
  if (Stopped().ok() && abandoned.ok()) {
    Advance();  // not the end: a task is under way
    mutex_.Unlock();
    environment_.readers.Post(
        [this, seen_version, actor = std::move(actor)] { AfterFind(actor, seen_version); });
    return;
  }
  End(Stopped().ok() ? abandoned : Stopped());
  AdvanceAndUnlock();
}

void ChunkStream::OpenAgain(std::shared_ptr<RegionActor> actor) {
  environment_.readers.Post(
      [this, actor = std::move(actor)] { AfterFind(actor, /*seen_version=*/0); });
}

void ChunkStream::StartProducing() {
  if (writing_) {
    // Beside a chunk that is being written the next one is only a convenience, and waits for
    // nothing.
    if (!environment_.budget->TryAcquire(chunk_capacity_)) return;
  } else {
    producer_ = Producer::kWaitingBudget;
    if (!environment_.budget->AcquireOrWait(chunk_capacity_, this)) return;
  }
  producer_ = Producer::kWorking;
  environment_.readers.Post([this] { Produce(); });
}

void ChunkStream::OnBudget(bool granted) {
  environment_.readers.Post([this, granted] { AfterBudgetWait(granted); });
}

void ChunkStream::AfterBudgetWait(bool granted) {
  mutex_.Lock();
  if (granted && Stopped().ok()) {
    producer_ = Producer::kWorking;
    mutex_.Unlock();
    Produce();
    return;
  }
  if (granted) {
    environment_.budget->Release(chunk_capacity_);
    End(Stopped());
  } else {
    End(MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kReaderBudgetFull,
                  "too many bytes are on their way to readers; read again from where you are",
                  {{"field", "limits.reader_bytes"},
                   {"value", absl::StrCat(environment_.budget->used())},
                   {"limit", absl::StrCat(environment_.budget->limit())}}));
  }
  AdvanceAndUnlock();
}

// The bytes of one chunk have been acquired.
void ChunkStream::Produce() {
  auto chunk = std::make_unique<Chunk>(environment_.budget, chunk_capacity_);
  if (HasPreface()) {
    FillPreface(*chunk);
    chunk->Trim();
    made_.push_back(ToByteBuffer(std::move(chunk)));
    AfterChunk(HasPreface() || WantsRecords() ? ReadProgress::kMore : ReadProgress::kFinished, 0);
    return;
  }
  const uint64_t seen_version = session_->actor()->tail_waiters().version();
  const absl::StatusOr<ReadProgress> progress = FillChunk(*chunk);
  if (chunk->size() > 0) {
    mark_due_ = true;
    chunk->Trim();
    made_.push_back(ToByteBuffer(std::move(chunk)));
  }
  chunk = nullptr;
  if (follower_.has_value()) follower_->Reached(session_->next());
  AfterChunk(progress, seen_version);
}

absl::StatusOr<ReadProgress> ChunkStream::FillChunk(Chunk& chunk) {
  const size_t shared = MaxRecordBytes(chunk_payload_bytes_);
  const bool alone = max_record_bytes_ > shared;
  size_t largest = 0;
  absl::StatusOr<ReadProgress> progress = session_->Fill(
      max_record_bytes_,
      [&](const RecordView& record) {
        largest = std::max(largest, record.payload.size());
        EncodeRecord(record, chunk);
      },
      alone ? 1 : UINT64_MAX);
  if (!progress.ok()) return progress;
  if (*progress == ReadProgress::kTooLarge) {
    const size_t needed = session_->too_large_bytes() + kMessageOverheadBytes;
    if (needed > message_bytes_) {
      return RecordTooLarge(session_->too_large_sequence(), needed, message_bytes_);
    }
    ExpectRecord(session_->too_large_bytes());
  } else if (alone && largest <= shared) {
    ExpectRecord(0);  // the large ones are over
  }
  if (*progress == ReadProgress::kSkipped) OnSkipped(*session_);
  return progress;
}

void ChunkStream::ExpectRecord(size_t payload_bytes) {
  max_record_bytes_ = std::max(MaxRecordBytes(chunk_payload_bytes_), payload_bytes);
  chunk_capacity_ =
      std::max(ChunkCapacity(chunk_payload_bytes_), payload_bytes + kMessageOverheadBytes);
}

void ChunkStream::AfterChunk(const absl::StatusOr<ReadProgress>& progress, uint64_t seen_version) {
  const bool more =
      progress.ok() && (*progress == ReadProgress::kMore || *progress == ReadProgress::kTooLarge ||
                        *progress == ReadProgress::kSkipped);
  if (progress.ok() && *progress == ReadProgress::kFetching) {
    WaitForFetching();
    return;
  }
  const bool stay = progress.ok() && *progress == ReadProgress::kAtEnd && follow_.has_value();
  absl::Status end = EndOf(progress.status());
  if (progress.ok() && !more && !stay) end = FinishRecords(session_.get());
  if (stay) {
    if (mark_due_) mark_due_ = !AddMarkHere();
    session_->Rest();
  }
  mutex_.Lock();
  TakeMade();
  if (!Stopped().ok()) {
    End(Stopped());
  } else if (more) {
    producer_ = Producer::kIdle;
  } else if (stay) {
    WaitForRecords(session_->actor()->tail_waiters(), *follow_, seen_version);
  } else {
    End(end);
  }
  AdvanceAndUnlock();
}

// No bytes of the budget are held meanwhile.
void ChunkStream::WaitForFetching() {
  mutex_.Lock();
  TakeMade();
  Advance();  // not the end: the reader has a task under way
  mutex_.Unlock();
  session_->WhenFetched([this] { environment_.readers.Post([this] { AfterFetching(); }); });
}

void ChunkStream::AfterFetching() {
  mutex_.Lock();
  if (Stopped().ok()) {
    producer_ = Producer::kIdle;
  } else {
    End(Stopped());
  }
  AdvanceAndUnlock();
}

void ChunkStream::WaitForRecords(TailWaiters& tail_waiters, uint64_t key, uint64_t seen_version) {
  producer_ = Producer::kWaitingRecords;
  waiting_in_ = &tail_waiters;
  waiting_for_ = key;
  if (!Stopped().ok()) {
    End(Stopped());
  } else if (shutting_down_) {
    End(ShuttingDownError());
  } else if (!tail_waiters.Wait(key, this, seen_version)) {
    OnVisible();
  } else if (heartbeat_ == nullptr && HeartbeatInterval() < absl::InfiniteDuration()) {
    StartHeartbeat(HeartbeatInterval());
  }
}

bool ChunkStream::AddMarkHere() {
  return session_ == nullptr ? AddMark(nullptr, 0)
                             : AddMark(&session_->actor()->log(), session_->next());
}

void ChunkStream::StartHeartbeat(absl::Duration delay) {
  heartbeat_ = std::make_unique<HeartbeatTimer>(delay, [this] { OnHeartbeat(); });
}

// A wait that is not called off any more has found something to send, which is as good as a beat.
void ChunkStream::OnHeartbeat() {
  absl::MutexLock lock(&mutex_);
  heartbeat_ = nullptr;
  if (producer_ != Producer::kWaitingRecords) return;  // the next wait starts it again
  const absl::Duration quiet = call_.Now() - last_message_;
  if (writing_ || quiet < HeartbeatInterval()) {
    StartHeartbeat(writing_ ? HeartbeatInterval() : HeartbeatInterval() - quiet);
    return;
  }
  if (!waiting_in_->Cancel(waiting_for_, this)) return;
  producer_ = Producer::kWorking;
  environment_.readers.Post([this] { Beat(); });
}

// Waits again if there is nothing to be read, without a chunk. A region that did not exist is looked
// for again.
void ChunkStream::Beat() {
  TailWaiters* const tail = session_ == nullptr ? nullptr : &session_->actor()->tail_waiters();
  const uint64_t seen_version = tail == nullptr ? 0 : tail->version();
  const bool at_end = AddMarkHere();
  mutex_.Lock();
  TakeMade();
  if (!Stopped().ok()) {
    End(Stopped());
  } else if (shutting_down_) {
    End(ShuttingDownError());
  } else if (session_ == nullptr) {
    Advance();  // not the end: a task is under way
    mutex_.Unlock();
    FindRegion();
    return;
  } else if (at_end && !session_->actor()->closed()) {
    WaitForRecords(*tail, *follow_, seen_version);
  } else {
    producer_ = Producer::kIdle;
  }
  AdvanceAndUnlock();
}

void ChunkStream::OnVisible() {
  environment_.readers.Post([this] { AfterRecordsWait(); });
}

void ChunkStream::AfterRecordsWait() {
  mutex_.Lock();
  if (!Stopped().ok()) {
    End(Stopped());
  } else if (shutting_down_) {
    End(ShuttingDownError());
  } else if (session_ == nullptr) {
    producer_ = Producer::kWorking;
    mutex_.Unlock();
    FindRegion();
    return;
  } else {
    producer_ = Producer::kIdle;
  }
  AdvanceAndUnlock();
}

// ---------------------------------------------------------------------------------------------------
// The stream

bool ChunkStream::Advance() {
  if (cancelled_) {
    while (messages_.size() > (writing_ ? 1 : 0)) messages_.pop_back();
  }
  if (producer_ == Producer::kIdle && !Stopped().ok()) End(Stopped());
  if (!writing_ && !messages_.empty()) {
    writing_ = true;
    environment_.budget->WriteBegan(this);
    StartWrite(&messages_.front());
  }
  if (producer_ == Producer::kIdle && messages_.size() == (writing_ ? 1 : 0)) StartProducing();
  if (producer_ != Producer::kEnded || !messages_.empty() || finished_) return false;
  finished_ = true;
  return true;
}

void ChunkStream::AdvanceAndUnlock() {
  const bool finish = Advance();
  absl::Status end;
  if (finish) end = std::move(end_);
  mutex_.Unlock();
  if (finish) Finish(call_.End(end));
}

void ChunkStream::End(const absl::Status& status) {
  producer_ = Producer::kEnded;
  end_ = status;
}

absl::Status ChunkStream::Stopped() const {
  if (stalled_) return StallError();
  return cancelled_ ? Cancelled() : denied_;
}

absl::Status ChunkStream::StallError() const {
  return ReaderStalled(environment_.budget->longest_stall());
}

std::function<void()> ChunkStream::OnStall() {
  stalled_ = true;
  return BreakOff(grpc_call_, StallError());
}

// A wait that cannot be called off any more goes on with a task, which then looks why.
void ChunkStream::StopWaiting() {
  if (producer_ == Producer::kWaitingBudget && environment_.budget->Cancel(this)) {
    End(Stopped());
  } else if (producer_ == Producer::kWaitingRecords && waiting_in_->Cancel(waiting_for_, this)) {
    End(Stopped().ok() ? ShuttingDownError() : Stopped());
  }
}

void ChunkStream::OnWriteDone(bool ok) {
  environment_.budget->WriteEnded(this);
  mutex_.Lock();
  writing_ = false;
  last_message_ = call_.Now();
  messages_.pop_front();
  if (!ok) {
    cancelled_ = true;
    StopWaiting();
  }
  AdvanceAndUnlock();
}

void ChunkStream::OnCancel() {
  mutex_.Lock();
  cancelled_ = true;
  StopWaiting();
  AdvanceAndUnlock();
}

// Only those that would stay for ever end now; the others have until the drain timeout.
void ChunkStream::OnShutdown() {
  mutex_.Lock();
  shutting_down_ = true;
  if (producer_ == Producer::kWaitingRecords) StopWaiting();
  AdvanceAndUnlock();
}

// Chunks that were made are still sent: at most two.
void ChunkStream::OnAccessChanged() {
  const absl::Status status = call_.MayGoOn(key_);
  if (status.ok()) return;
  mutex_.Lock();
  denied_ = status;
  StopWaiting();
  AdvanceAndUnlock();
}

void ChunkStream::OnDone() {
  environment_.budget->WriteEnded(this);
  call_.LeaveLiveCalls(this);
  std::unique_ptr<HeartbeatTimer> heartbeat;
  {
    absl::MutexLock lock(&mutex_);
    heartbeat = std::move(heartbeat_);
  }
  if (heartbeat != nullptr) heartbeat->Stop();
  delete this;
}

}  // namespace walden
