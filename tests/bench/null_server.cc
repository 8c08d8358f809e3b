#include "tests/bench/null_server.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/bench/file_ceiling.h"
#include "tests/bench/payload.h"
#include "walden/v1/admin.grpc.pb.h"
#include "walden/v1/entry.grpc.pb.h"
#include "walden/v1/wal.grpc.pb.h"

namespace walden::bench {
namespace {

void AnswerWithConstants(v1::PutResponse* response) {
  response->set_first_sequence(1);
  response->set_last_sequence(1);
  response->set_durable(true);
}

// To an append to one table.
void AnswerWithConstants(v1::AppendResponse* response) {
  v1::TableRange* range = response->add_tables();
  range->set_first_sequence(1);
  range->set_last_sequence(1);
  response->set_durable(true);
}

// Answers every request as it comes, never waiting for an answer to be sent before reading on. What
// came meanwhile is answered in one message.
class NullAppendStream
    : public grpc::ServerBidiReactor<v1::AppendStreamRequest, v1::AppendStreamResponse> {
 public:
  NullAppendStream() { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      if (ok) {
        for (const v1::StreamedAppend& append : request_.appends()) {
          unanswered_.push_back(append.request_id());
        }
      } else {
        half_closed_ = true;
      }
      if (!writing_) WriteNextOrFinish();
    }
    if (ok) StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) unanswered_.clear();
    WriteNextOrFinish();
  }

  void OnDone() override { delete this; }

 private:
  void WriteNextOrFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!unanswered_.empty()) {
      response_.clear_results();
      for (const uint64_t request_id : unanswered_) {
        v1::StreamedAppendResult* result = response_.add_results();
        result->set_request_id(request_id);
        AnswerWithConstants(result->mutable_response());
      }
      unanswered_.clear();
      writing_ = true;
      StartWrite(&response_);
    } else if (half_closed_) {
      Finish(grpc::Status::OK);
    }
  }

  v1::AppendStreamRequest request_;  // the reading side's
  absl::Mutex mutex_;
  std::vector<uint64_t> unanswered_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  v1::AppendStreamResponse response_ ABSL_GUARDED_BY(mutex_);
};

// First a position, then `records` records in messages of one size, then a summary.
class NullRead : public grpc::ServerWriteReactor<v1::ReadResponse> {
 public:
  NullRead(const v1::ReadResponse* full, uint64_t records) : full_(full), left_(records) {
    first_.mutable_position()->set_first_live_sequence(1);
    first_.mutable_position()->set_next_sequence(records + 1);
    last_.mutable_summary()->set_record_count(records);
    last_.mutable_summary()->set_payload_bytes(records * PayloadBytes());
    last_.mutable_summary()->set_resume_sequence(records + 1);
    StartWrite(&first_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok || has_ended_) {
      Finish(grpc::Status::OK);
      return;
    }
    const auto size = static_cast<uint64_t>(full_->records_size());
    if (left_ >= size && left_ > 0) {
      left_ -= size;
      StartWrite(full_);
      return;
    }
    for (; left_ > 0; --left_) *last_.add_records() = full_->records(0);
    has_ended_ = true;
    StartWrite(&last_);
  }

  void OnDone() override { delete this; }

 private:
  uint64_t PayloadBytes() const {
    return full_->records().empty() ? 0 : full_->records(0).payload().size();
  }

  v1::ReadResponse first_;
  const v1::ReadResponse* full_;
  v1::ReadResponse last_;
  uint64_t left_;
  bool has_ended_ = false;
};

// What the benchmark asks the daemon besides, for the run that calibrates.
class NullAdminService : public v1::AdminService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetStatistics(grpc::CallbackServerContext* context,
                                          const v1::GetStatisticsRequest*,
                                          v1::GetStatisticsResponse* response) override {
    response->set_appended_batch_count(1);
    response->set_commit_count(1);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

class NullService : public v1::WalService::CallbackService {
 public:
  NullService(const NullServerOptions& options, std::optional<WrittenFile> sync_file)
      : sync_file_(std::move(sync_file)) {
    for (uint64_t i = 0; i < options.read_records_per_message; ++i) {
      v1::LogRecord* record = full_read_.add_records();
      record->set_sequence((uint64_t{1} << 20) + i);
      record->set_payload(MakePayload(options.read_payload_bytes, i));
    }
  }

  grpc::ServerUnaryReactor* Append(grpc::CallbackServerContext* context,
                                   const v1::AppendRequest* request,
                                   v1::AppendResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    if (sync_file_.has_value()) {
      if (absl::Status status = SyncOneAppend(*request); !status.ok()) {
        reactor->Finish({grpc::StatusCode::INTERNAL, std::string(status.message())});
        return reactor;
      }
    }
    AnswerWithConstants(response);
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerBidiReactor<v1::AppendStreamRequest, v1::AppendStreamResponse>* AppendStream(
      grpc::CallbackServerContext*) override {
    return new NullAppendStream;
  }

  grpc::ServerWriteReactor<v1::ReadResponse>* Read(grpc::CallbackServerContext*,
                                                   const v1::ReadRequest* request) override {
    return new NullRead(&full_read_, request->max_records());
  }

  grpc::ServerUnaryReactor* MarkDeleted(grpc::CallbackServerContext* context,
                                        const v1::MarkDeletedRequest*,
                                        v1::MarkDeletedResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  absl::Status SyncOneAppend(const v1::AppendRequest& request) {
    absl::MutexLock lock(&mutex_);
    bytes_.clear();
    for (const v1::TableAppend& append : request.tables()) {
      for (const std::string& payload : append.payloads()) {
        bytes_.append(kRecordHeaderBytes, '\1');
        bytes_.append(payload);
      }
    }
    return sync_file_->WriteAndSync(bytes_);
  }

  v1::ReadResponse full_read_;
  absl::Mutex mutex_;
  std::optional<WrittenFile> sync_file_;  // written under mutex_
  std::string bytes_ ABSL_GUARDED_BY(mutex_);
};

// Answers each Put and Get with constants; a Get with an entry of the configured size.
class NullEntryService : public v1::EntryService::CallbackService {
 public:
  explicit NullEntryService(const NullServerOptions& options)
      : value_(MakePayload(options.read_payload_bytes, 1)) {}

  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* context, const v1::PutRequest*,
                                v1::PutResponse* response) override {
    AnswerWithConstants(response);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest* request,
                                v1::GetResponse* response) override {
    for (const std::string& key : request->keys()) {
      v1::Entry* const entry = response->add_results()->mutable_entry();
      entry->set_key(key);
      entry->set_value(value_);
      entry->set_sequence(1);
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const std::string value_;
};

}  // namespace

absl::Status RunNullServer(const NullServerOptions& options) {
  std::optional<WrittenFile> sync_file;
  if (!options.sync_file.empty()) {
    absl::StatusOr<WrittenFile> created = WrittenFile::Create(options.sync_file, kSegmentBytes);
    if (!created.ok()) return created.status();
    sync_file = *std::move(created);
  }
  NullService service(options, std::move(sync_file));
  NullEntryService entries(options);
  NullAdminService admin;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  builder.RegisterService(&entries);
  builder.RegisterService(&admin);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.address));
  }
  server->Wait();
  return absl::OkStatus();
}

}  // namespace walden::bench
