#include "cli/client/append_pipeline.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/console/failure.h"

namespace walden::cli {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(20);
constexpr absl::Duration kLongestBackoff = absl::Seconds(1);

bool IsWorthRetrying(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || HasReason(status, "REGION_FAILED") ||
         status.code() == absl::StatusCode::kResourceExhausted;
}

}  // namespace

AppendPipeline::AppendPipeline(Connection& connection, Options options, OnAppended on_appended)
    : connection_(connection),
      options_(options),
      on_appended_(std::move(on_appended)),
      backoff_(kFirstBackoff) {}

AppendPipeline::~AppendPipeline() {
  if (session_ == nullptr) return;
  session_->context.TryCancel();
  (void)End();
}

bool AppendPipeline::FitsMessage(const v1::AppendStreamRequest& message, size_t message_bytes,
                                 size_t batch_bytes) const {
  return static_cast<size_t>(message.appends_size()) < options_.max_message_batches &&
         message_bytes + batch_bytes <= options_.max_message_bytes;
}

absl::Status AppendPipeline::Send(v1::AppendRequest request) {
  const size_t bytes = request.ByteSizeLong();
  if (gathered_ != nullptr && !FitsMessage(*gathered_, gathered_bytes_, bytes)) {
    if (absl::Status sent = Flush(); !sent.ok()) return sent;
  }
  if (absl::Status room = WaitForRoom(); !room.ok()) return room;
  if (gathered_ == nullptr) gathered_ = std::make_shared<v1::AppendStreamRequest>();
  v1::StreamedAppend& batch = *gathered_->add_appends();
  batch.set_request_id(next_request_id_++);
  *batch.mutable_append() = std::move(request);
  gathered_bytes_ += bytes;
  return IsSettledNow() || bytes > options_.max_message_bytes / 2 ? Flush() : absl::OkStatus();
}

// Nothing is in flight, or the session broke, which Flush finds out about.
bool AppendPipeline::IsSettledNow() const {
  absl::MutexLock lock(&mutex_);
  return IsSettled();
}

absl::Status AppendPipeline::WaitForRoom() {
  const bool has_room = [this] {
    absl::MutexLock lock(&mutex_);
    return HasRoom();
  }();
  if (!has_room) {
    if (absl::Status sent = Flush(); !sent.ok()) return sent;
  }
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &AppendPipeline::HasRoom));
  return absl::OkStatus();
}

absl::Status AppendPipeline::Flush() {
  if (gathered_ == nullptr) return absl::OkStatus();
  if (session_ == nullptr && failed_.ok()) Open();
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (!SessionBroken() && failed_.ok()) {
        for (const v1::StreamedAppend& batch : gathered_->appends()) {
          unanswered_.push_back(Batch(gathered_, &batch));
        }
        break;
      }
    }
    if (absl::Status reopened = Reopen(); !reopened.ok()) return reopened;
  }
  // A failed write ends the stream too, which the next call sees; the batches are in unanswered_.
  (void)session_->stream->Write(*gathered_);
  gathered_.reset();
  gathered_bytes_ = 0;
  return absl::OkStatus();
}

absl::Status AppendPipeline::WaitForAnswers() {
  if (absl::Status sent = Flush(); !sent.ok()) return sent;
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &AppendPipeline::IsSettled));
      if (unanswered_.empty()) return absl::OkStatus();  // also when the stream broke since
    }
    if (absl::Status reopened = Reopen(); !reopened.ok()) return reopened;
  }
}

absl::Status AppendPipeline::Finish() {
  if (!failed_.ok()) return failed_;
  if (absl::Status answered = WaitForAnswers(); !answered.ok()) return answered;
  if (session_ == nullptr) return absl::OkStatus();
  (void)End();  // every batch was answered: how the stream ends changes nothing
  return absl::OkStatus();
}

size_t AppendPipeline::uncertain_batches() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<size_t>(
      std::count_if(unanswered_.begin(), unanswered_.end(), [this](const Batch& batch) {
        mutex_.AssertReaderHeld();
        return in_doubt_.contains(batch->request_id()) || !refused_.contains(batch->request_id());
      }));
}

void AppendPipeline::Open() {
  {
    absl::MutexLock lock(&mutex_);
    stream_ended_ = false;
    refusal_ = absl::OkStatus();
    // A refusal says what became of one attempt, and nothing of the attempts before it.
    for (const Batch& batch : unanswered_) {
      if (!refused_.contains(batch->request_id())) in_doubt_.insert(batch->request_id());
    }
    refused_.clear();
    progressed_ = false;
  }
  session_ = std::make_unique<Session>();
  connection_.SetStreamDeadline(session_->context);
  session_->stream = connection_.wal().AppendStream(&session_->context);
  session_->answers = std::thread([this, &stream = *session_->stream] { ReadAnswers(stream); });
}

void AppendPipeline::ReadAnswers(Stream& stream) {
  v1::AppendStreamResponse message;
  for (bool makes_sense = true; makes_sense && stream.Read(&message);) {
    for (const v1::StreamedAppendResult& answer : message.results()) {
      makes_sense = makes_sense && TakeAnswer(answer);
    }
  }
  absl::MutexLock lock(&mutex_);
  stream_ended_ = true;
}

AppendPipeline::Batch AppendPipeline::FindUnanswered(uint64_t request_id) const {
  absl::MutexLock lock(&mutex_);
  const auto found =
      std::find_if(unanswered_.begin(), unanswered_.end(),
                   [request_id](const Batch& batch) { return batch->request_id() == request_id; });
  return found == unanswered_.end() ? nullptr : *found;
}

bool AppendPipeline::TakeAnswer(const v1::StreamedAppendResult& answer) {
  const Batch batch = FindUnanswered(answer.request_id());
  const bool known =
      batch != nullptr && answer.outcome_case() != v1::StreamedAppendResult::OUTCOME_NOT_SET;
  // Told before it counts as answered, so that whoever waits for answers has been told of them all.
  if (known && answer.has_response()) on_appended_(batch->append(), answer.response());

  absl::MutexLock lock(&mutex_);
  if (!known) {
    refusal_ = Failure(absl::StatusCode::kInternal, kReasonProtocol,
                       "the daemon answered a batch that was not sent, or without a result",
                       {{"request_id", absl::StrCat(answer.request_id())}});
    return false;
  }
  if (answer.has_error()) {
    absl::Status error = FromRpcStatus(answer.error());
    if (error.ok()) error = absl::UnknownError("refused without a code");
    if (!MayBeStored(error)) refused_.insert(answer.request_id());
    if (refusal_.ok()) refusal_ = error;
    return true;
  }
  in_doubt_.erase(answer.request_id());
  unanswered_.erase(std::find(unanswered_.begin(), unanswered_.end(), batch));
  progressed_ = true;
  return true;
}

absl::Status AppendPipeline::End() {
  (void)session_->stream->WritesDone();
  session_->answers.join();
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    status = refusal_;
  }
  if (status.code() == absl::StatusCode::kInternal) session_->context.TryCancel();
  const absl::Status ended = connection_.Outcome(session_->stream->Finish());
  session_.reset();
  return status.ok() ? ended : status;
}

absl::Status AppendPipeline::Reopen() {
  while (failed_.ok()) {
    absl::Status cause = End();
    if (cause.ok()) {
      cause = absl::UnavailableError("the daemon ended the stream without answering everything");
    }
    if (!MayRetry(cause)) {
      failed_ = cause;
      break;
    }
    std::vector<Batch> again;
    {
      absl::MutexLock lock(&mutex_);
      again.assign(unanswered_.begin(), unanswered_.end());
    }
    Open();
    SendAgain(again);
    absl::MutexLock lock(&mutex_);
    if (!SessionBroken()) return absl::OkStatus();
  }
  return failed_;
}

void AppendPipeline::SendAgain(const std::vector<Batch>& batches) {
  v1::AppendStreamRequest message;
  size_t message_bytes = 0;
  for (const Batch& batch : batches) {
    const size_t bytes = batch->append().ByteSizeLong();
    if (message.appends_size() > 0 && !FitsMessage(message, message_bytes, bytes)) {
      if (!session_->stream->Write(message)) return;
      message.Clear();
      message_bytes = 0;
    }
    *message.add_appends() = *batch;
    message_bytes += bytes;
  }
  if (message.appends_size() > 0) (void)session_->stream->Write(message);
}

bool AppendPipeline::MayRetry(const absl::Status& cause) {
  {
    absl::MutexLock lock(&mutex_);
    if (!IsWorthRetrying(cause)) return false;
    if (progressed_) {
      failing_since_.reset();
      backoff_ = kFirstBackoff;
    }
  }
  const absl::Time now = absl::Now();
  if (!failing_since_.has_value()) failing_since_ = now;
  if (now - *failing_since_ >= options_.retry_for) return false;
  if (!connection_.interrupt().Sleep(std::max(backoff_, RetryDelayOf(cause)))) return false;
  backoff_ = std::min(backoff_ * 2, kLongestBackoff);
  // Whether it is reachable is for the next attempt to find out.
  (void)connection_.WaitUntilReachable(*failing_since_ + options_.retry_for - absl::Now());
  return !connection_.interrupt().requested();
}

}  // namespace walden::cli
