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

absl::Status AppendPipeline::Send(v1::AppendRequest request) {
  auto batch = std::make_shared<v1::AppendStreamRequest>();
  batch->set_request_id(next_request_id_++);
  *batch->mutable_append() = std::move(request);
  if (session_ == nullptr && failed_.ok()) Open();
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &AppendPipeline::HasRoom));
      if (!SessionBroken() && failed_.ok()) {
        unanswered_.push_back(batch);
        break;
      }
    }
    if (absl::Status reopened = Reopen(); !reopened.ok()) return reopened;
  }
  // A failed write ends the stream too, which the next call sees; the batch is in unanswered_.
  (void)session_->stream->Write(*batch);
  return absl::OkStatus();
}

absl::Status AppendPipeline::WaitForAnswers() {
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
  if (session_ == nullptr) return failed_;
  if (absl::Status answered = WaitForAnswers(); !answered.ok()) return answered;
  (void)End();  // every batch was answered: how the stream ends changes nothing
  return absl::OkStatus();
}

size_t AppendPipeline::uncertain_batches() const {
  absl::MutexLock lock(&mutex_);
  return unanswered_.size() - refused_batches_;
}

void AppendPipeline::Open() {
  {
    absl::MutexLock lock(&mutex_);
    stream_ended_ = false;
    refusal_ = absl::OkStatus();
    refused_batches_ = 0;
    progressed_ = false;
  }
  session_ = std::make_unique<Session>();
  connection_.SetStreamDeadline(session_->context);
  session_->stream = connection_.wal().AppendStream(&session_->context);
  session_->answers = std::thread([this, &stream = *session_->stream] { ReadAnswers(stream); });
}

void AppendPipeline::ReadAnswers(Stream& stream) {
  v1::AppendStreamResponse answer;
  while (stream.Read(&answer)) {
    if (!TakeAnswer(answer)) break;
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

bool AppendPipeline::TakeAnswer(const v1::AppendStreamResponse& answer) {
  const Batch batch = FindUnanswered(answer.request_id());
  const bool known =
      batch != nullptr && answer.result_case() != v1::AppendStreamResponse::RESULT_NOT_SET;
  // Told before it counts as answered, so that whoever waits for answers has been told of them all.
  if (known && answer.has_appended()) on_appended_(batch->append(), answer.appended());

  absl::MutexLock lock(&mutex_);
  if (!known) {
    refusal_ = Failure(absl::StatusCode::kInternal, kReasonProtocol,
                       "the daemon answered a batch that was not sent, or without a result",
                       {{"request_id", absl::StrCat(answer.request_id())}});
    return false;
  }
  if (answer.has_refused()) {
    ++refused_batches_;
    if (refusal_.ok()) refusal_ = FromRpcStatus(answer.refused());
    if (refusal_.ok()) refusal_ = absl::UnknownError("refused without a code");
    return true;
  }
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
    for (const Batch& batch : again) {
      if (!session_->stream->Write(*batch)) break;
    }
    absl::MutexLock lock(&mutex_);
    if (!SessionBroken()) return absl::OkStatus();
  }
  return failed_;
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
