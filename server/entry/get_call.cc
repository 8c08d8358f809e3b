#include "server/entry/get_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/entry/entry_codec.h"
#include "server/call/break_off.h"
#include "server/call/request_checks.h"
#include "server/call/time_to_proto.h"
#include "server/entry/entry_request_checks.h"
#include "server/region/read_session.h"

namespace walden {

GetCall::GetCall(const EntryReadEnvironment& environment, const grpc::CallbackServerContext& call,
                 const v1::GetRequest& request, v1::GetResponse* response)
    : environment_(environment),
      call_(environment.read.admission, Method::kGet, call),
      grpc_call_(call),
      request_(request),
      response_(response) {
  const absl::StatusOr<EnteredRegion> entered =
      call_.EnterRegion(request.namespace_id(), request.region_id());
  absl::Status status = entered.status();
  if (status.ok()) status = CheckKeys(request, environment.limits);
  const absl::StatusOr<size_t> message_bytes = CheckMessageBytes(request.max_message_bytes());
  if (status.ok()) status = message_bytes.status();
  if (status.ok()) message_bytes_ = *message_bytes;
  if (!status.ok()) {
    End(status);
    return;
  }
  environment.read.registry.Find(
      entered->key,
      [this](const absl::StatusOr<std::shared_ptr<RegionActor>>& actor) { Look(actor); });
}

void GetCall::Look(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor) {
  absl::Status status = actor.status();
  if (status.ok() && *actor != nullptr) {
    auto table = (*actor)->entries().Find(request_.table_id());
    status = table.status();
    if (status.ok() && (*actor)->closed()) status = ReadSession::ClosedError(**actor);
    if (status.ok()) table_ = *std::move(table);
  }
  for (int i = 0; status.ok() && i < request_.keys_size(); ++i) response_->add_results();
  if (!status.ok() || table_ == nullptr) {
    End(status);
    return;
  }
  WaitThenLook();
}

void GetCall::WaitThenLook() {
  table_->WhenReady([this](const absl::Status& ready) { LookIntoMemory(ready); });
}

void GetCall::LookIntoMemory(const absl::Status& ready) {
  if (!ready.ok()) {
    End(ready);
    return;
  }
  now_unix_ms_ = environment_.wall_clock.UnixMillis();
  const std::vector<absl::string_view> keys(request_.keys().begin(), request_.keys().end());
  auto unknown = table_->GetFromMemory(
      keys, [this](size_t index, const RecordView& record) { Found(index, record); });
  if (!unknown.has_value()) {
    WaitThenLook();
  } else if (unknown->empty()) {
    End(absl::OkStatus());
  } else {
    unknown_ = *std::move(unknown);
    environment_.read.readers.Post([this] { LookIntoLog(); });
  }
}

void GetCall::LookIntoLog() {
  std::vector<absl::string_view> keys;
  for (const size_t index : unknown_) keys.push_back(request_.keys(static_cast<int>(index)));
  const absl::StatusOr<bool> read = table_->GetFromLog(
      keys, [this](size_t i, const RecordView& record) { Found(unknown_[i], record); });
  if (read.ok() && !*read) {
    // The pages are being made again, so all keys are looked up again.
    for (v1::GetResult& result : *response_->mutable_results()) result.Clear();
    bytes_ = 0;
    too_large_ = absl::OkStatus();
    WaitThenLook();
    return;
  }
  End(read.status());
}

void GetCall::Found(size_t index, const RecordView& record) {
  const entry::EntryView entry = *entry::Decode(record.payload);
  if (entry.hidden_at(now_unix_ms_)) {
    response_->mutable_results(static_cast<int>(index))->set_hidden(true);
    return;
  }
  const size_t needed = record.payload.size() + kMessageOverheadBytes;
  bytes_ += needed;
  if (needed > message_bytes_) too_large_ = RecordTooLarge(record.sequence, needed, message_bytes_);
  if (bytes_ > message_bytes_) return;  // End refuses the call
  v1::Entry* const found = response_->mutable_results(static_cast<int>(index))->mutable_entry();
  found->set_key(entry.key.data(), entry.key.size());
  found->set_value(entry.value.data(), entry.value.size());
  if (entry.created_unix_ms) {
    *found->mutable_create_time() = ToProtoTime(absl::FromUnixMillis(*entry.created_unix_ms));
  }
  if (entry.expires_unix_ms) {
    *found->mutable_expire_time() = ToProtoTime(absl::FromUnixMillis(*entry.expires_unix_ms));
  }
  found->set_sequence(record.sequence);
}

void GetCall::End(const absl::Status& status) {
  absl::Status end = status;
  if (end.ok()) end = too_large_;
  if (end.ok() && bytes_ > message_bytes_) {
    end = MakeError(
        absl::StatusCode::kOutOfRange, ErrorReason::kAnswerTooLarge,
        absl::StrCat("the entries of these keys take ", bytes_, " bytes, and max_message_bytes is ",
                     message_bytes_, ": ask for fewer keys at once"),
        {{"needed_bytes", absl::StrCat(bytes_)},
         {"field", "keys"},
         {"value", absl::StrCat(bytes_)},
         {"limit", absl::StrCat(message_bytes_)}});
  }
  if (end.ok() && bytes_ > 0) {
    if (environment_.read.budget->TryAcquire(bytes_)) {
      held_bytes_ = bytes_;
    } else {
      end = MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kReaderBudgetFull,
                      "too many bytes are on their way to readers; try again",
                      {{"field", "limits.reader_bytes"},
                       {"value", absl::StrCat(environment_.read.budget->used())},
                       {"limit", absl::StrCat(environment_.read.budget->limit())}});
    }
  }
  if (held_bytes_ > 0) environment_.read.budget->WriteBegan(this);
  Finish(call_.End(end));
}

std::function<void()> GetCall::OnStall() {
  return BreakOff(grpc_call_, ReaderStalled(environment_.read.budget->longest_stall()));
}

void GetCall::OnDone() {
  environment_.read.budget->WriteEnded(this);
  if (held_bytes_ > 0) environment_.read.budget->Release(held_bytes_);
  delete this;
}

}  // namespace walden
