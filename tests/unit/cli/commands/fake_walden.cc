#include "tests/unit/cli/commands/fake_walden.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace walden::cli {

grpc::Status RefusalOf(grpc::StatusCode code, const std::string& reason,
                       const std::map<std::string, std::string>& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("walden");
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  google::rpc::Status status;
  status.set_code(code);
  status.set_message("refused by the fake");
  status.add_details()->PackFrom(info);
  return grpc::Status(code, status.message(), status.SerializeAsString());
}

FakeWalden::FakeWalden() : services_(MakeServices(*this)) {
  char name[] = "/tmp/walden_cli_test_XXXXXX";
  if (mkdtemp(name) == nullptr) abort();
  directory_ = name;
  SetLimits(10'000, 16u << 20, 1u << 20);
  Start();
}

FakeWalden::~FakeWalden() {
  Stop();
  (void)unlink((directory_ + "/socket").c_str());
  (void)rmdir(directory_.c_str());
}

void FakeWalden::Start() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(-1);
  for (const auto& service : services_) builder.RegisterService(service.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) abort();
}

void FakeWalden::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

grpc::Status FakeWalden::Append(const v1::AppendRequest& request, v1::AppendResponse* response) {
  absl::MutexLock lock(&mutex_);
  last_request_ = request;
  if (request.has_producer()) {
    const auto producer = producers_.find(request.producer().producer_id());
    if (producer == producers_.end()) {
      return RefusalOf(grpc::StatusCode::FAILED_PRECONDITION, "PRODUCER_FORGOTTEN");
    }
    const auto known = producer->second.find(request.producer().producer_sequence());
    if (known != producer->second.end()) {
      *response = known->second;
      response->set_duplicate(true);
      return grpc::Status::OK;
    }
    const uint64_t expected = producer->second.size() + 1;
    if (request.producer().producer_sequence() != expected) {
      return RefusalOf(grpc::StatusCode::FAILED_PRECONDITION, "PRODUCER_OUT_OF_ORDER",
                       {{"expected_producer_sequence", std::to_string(expected)}});
    }
  }
  if (accepted_before_refusals_ > 0) {
    --accepted_before_refusals_;
  } else if (refusals_left_ > 0) {
    --refusals_left_;
    return refusal_;
  }
  if (request.has_region_version()) {
    grpc::Status fenced = TakeVersion(request.region_id(), request.region_version());
    if (!fenced.ok()) return fenced;
  }
  return Store(request, absl::Now(), response);
}

grpc::Status FakeWalden::TakeVersion(uint64_t region, uint64_t version) {
  uint64_t& highest = versions_[region];
  if (version < highest) {
    return RefusalOf(grpc::StatusCode::FAILED_PRECONDITION, "FENCED",
                     {{"highest_region_version", std::to_string(highest)}});
  }
  highest = version;
  return grpc::Status::OK;
}

grpc::Status FakeWalden::Store(const v1::AppendRequest& request, absl::Time time,
                               v1::AppendResponse* response) {
  for (const v1::TableAppend& append : request.tables()) {
    const uint64_t next = Position({request.region_id(), append.table_id()}).next_sequence();
    if (append.has_expected_next_sequence() && append.expected_next_sequence() != next) {
      return RefusalOf(grpc::StatusCode::ABORTED, "SEQUENCE_MISMATCH",
                       {{"actual_next_sequence", std::to_string(next)}});
    }
  }
  uint64_t& next = next_sequences_.try_emplace(request.region_id(), 1).first->second;
  int records = 0;
  for (const v1::TableAppend& append : request.tables()) {
    Table& table = tables_[{request.region_id(), append.table_id()}];
    v1::TableRange& range = *response->add_tables();
    range.set_table_id(append.table_id());
    range.set_first_sequence(next);
    for (const std::string& payload : append.payloads()) {
      v1::LogRecord& record = table.records.emplace_back();
      table.append_times[next] = time;
      record.set_sequence(next++);
      record.set_payload(payload);
    }
    range.set_last_sequence(next - 1);
    records += append.payloads_size();
  }
  response->set_durable(request.durability() != v1::DURABILITY_BUFFERED);
  batch_sizes_.push_back(records);
  if (request.has_producer()) {
    producers_[request.producer().producer_id()][request.producer().producer_sequence()] =
        *response;
  }
  return grpc::Status::OK;
}

v1::TablePosition FakeWalden::Position(TableKey key) const {
  v1::TablePosition position;
  const auto found = tables_.find(key);
  const bool live = found != tables_.end() && !found->second.records.empty();
  const uint64_t deleted = found == tables_.end() ? 0 : found->second.deleted_through;
  position.set_next_sequence(live ? found->second.records.back().sequence() + 1 : deleted + 1);
  position.set_first_live_sequence(live ? found->second.records.front().sequence()
                                        : position.next_sequence());
  position.set_deleted_through(deleted);
  return position;
}

void FakeWalden::FillState(TableKey key, v1::TableState& state) const {
  const v1::TablePosition position = Position(key);
  state.set_table_id(key.second);
  *state.mutable_position() = position;
  const auto found = tables_.find(key);
  if (found == tables_.end() || found->second.records.empty()) return;
  state.set_last_live_sequence(found->second.records.back().sequence());
}

uint64_t FakeWalden::FirstSince(TableKey key, absl::Time time) const {
  const auto found = tables_.find(key);
  if (found == tables_.end()) return 1;
  for (const auto& [sequence, appended] : found->second.append_times) {
    if (appended >= time) return sequence;
  }
  return Position(key).next_sequence();
}

bool FakeWalden::TakeStreamBreak(int stored_in_stream) {
  absl::MutexLock lock(&mutex_);
  if (breaks_left_ == 0 || stored_in_stream < break_after_) return false;
  --breaks_left_;
  return true;
}

std::vector<std::string> FakeWalden::Payloads(uint64_t region, uint64_t table) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> payloads;
  const auto found = tables_.find({region, table});
  if (found == tables_.end()) return payloads;
  for (const v1::LogRecord& record : found->second.records) payloads.push_back(record.payload());
  return payloads;
}

std::vector<int> FakeWalden::BatchSizes() const {
  absl::MutexLock lock(&mutex_);
  return batch_sizes_;
}

std::vector<int> FakeWalden::MessageSizes() const {
  absl::MutexLock lock(&mutex_);
  return message_sizes_;
}

v1::MarkDeletedRequest FakeWalden::last_marks() const {
  absl::MutexLock lock(&mutex_);
  return last_marks_;
}

std::vector<v1::Entry> FakeWalden::Entries() const {
  absl::MutexLock lock(&mutex_);
  return entries_;
}

v1::AppendRequest FakeWalden::last_request() const {
  absl::MutexLock lock(&mutex_);
  return last_request_;
}

bool FakeWalden::HasRegion(uint64_t region) const {
  absl::MutexLock lock(&mutex_);
  return next_sequences_.contains(region);
}

void FakeWalden::AddRecords(uint64_t region, uint64_t table,
                            const std::vector<std::string>& payloads, absl::Time appended) {
  v1::AppendRequest request;
  request.set_region_id(region);
  v1::TableAppend& append = *request.add_tables();
  append.set_table_id(table);
  for (const std::string& payload : payloads) append.add_payloads(payload);
  v1::AppendResponse response;
  absl::MutexLock lock(&mutex_);
  (void)Store(request, appended, &response);
}

uint64_t FakeWalden::OpenProducer() {
  absl::MutexLock lock(&mutex_);
  const uint64_t id = producers_.empty() ? 77 : producers_.rbegin()->first + 1;
  producers_[id];
  return id;
}

uint64_t FakeWalden::MarkDeleted(uint64_t region, uint64_t table, uint64_t through) {
  absl::MutexLock lock(&mutex_);
  const uint64_t end = Position({region, table}).next_sequence() - 1;
  Table& held = tables_[{region, table}];
  held.deleted_through = std::max(held.deleted_through, std::min(through, end));
  std::erase_if(held.records, [&held](const v1::LogRecord& record) {
    return record.sequence() <= held.deleted_through;
  });
  return held.deleted_through;
}

bool FakeWalden::DropRegion(uint64_t region) {
  absl::MutexLock lock(&mutex_);
  std::erase_if(tables_, [region](const auto& entry) { return entry.first.first == region; });
  return next_sequences_.erase(region) == 1;
}

void FakeWalden::BreakStreamsAfter(int batches, int times) {
  absl::MutexLock lock(&mutex_);
  break_after_ = batches;
  breaks_left_ = times;
}

void FakeWalden::RefuseNextAppends(int count, const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  refusals_left_ = count;
  refusal_ = status;
}

void FakeWalden::RefuseAppendsFromBatch(int batch, const grpc::Status& status) {
  RefuseNextAppends(1'000'000, status);
  absl::MutexLock lock(&mutex_);
  accepted_before_refusals_ = batch;
}

void FakeWalden::SetLimits(uint64_t batch_records, uint64_t batch_bytes, uint64_t payload_bytes) {
  absl::MutexLock lock(&mutex_);
  info_.set_version("0.0.0-fake");
  v1::Limits& limits = *info_.mutable_limits();
  limits.set_max_batch_records(batch_records);
  limits.set_max_batch_bytes(batch_bytes);
  limits.set_max_payload_bytes(payload_bytes);
  limits.set_max_stream_message_appends(1000);
  limits.set_max_batch_tables(256);
  limits.set_max_parsed_message_bytes(64u << 20);
}

void FakeWalden::SetOldestAppended(absl::Time time) {
  absl::MutexLock lock(&mutex_);
  oldest_appended_ = time;
}

void FakeWalden::AddBrokenRegion() {
  absl::MutexLock lock(&mutex_);
  has_broken_region_ = true;
}

void FakeWalden::DamageRegion(uint64_t region) {
  absl::MutexLock lock(&mutex_);
  damaged_[region] = true;
}

void FakeWalden::SetServing(bool serving) {
  absl::MutexLock lock(&mutex_);
  serving_ = serving;
}

bool FakeWalden::AwaitHealthQuestions(int count) const {
  const auto asked = [this, count]()
                         ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return health_questions_ >= count; };
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&asked), absl::Minutes(1));
}

bool FakeWalden::AwaitHeartbeats(int count) const {
  const auto sent = [this, count]()
                        ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return heartbeats_ >= count; };
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&sent), absl::Minutes(1));
}

void FakeWalden::SetStreamFault(StreamFault fault) {
  absl::MutexLock lock(&mutex_);
  stream_fault_ = fault;
}

void FakeWalden::HoldFirstAnswers() {
  absl::MutexLock lock(&mutex_);
  holds_first_answers_ = true;
}

void FakeWalden::SetNamespaces(const std::vector<std::string>& names) {
  absl::MutexLock lock(&mutex_);
  namespaces_ = names;
}

void FakeWalden::SetBeforeRecover(std::function<void(uint64_t table)> before) {
  absl::MutexLock lock(&mutex_);
  before_recover_ = std::move(before);
}

}  // namespace walden::cli
