// What the services of a FakeWalden answer.
#include <algorithm>
#include <chrono>
#include <thread>

#include "cli/console/message_times.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/unit/cli/commands/fake_walden.h"

namespace walden::cli {

class FakeWalden::Wal : public v1::WalService::Service {
 public:
  explicit Wal(FakeWalden& fake) : fake_(fake) {}

  grpc::Status Append(grpc::ServerContext*, const v1::AppendRequest* request,
                      v1::AppendResponse* response) override {
    return fake_.Append(*request, response);
  }

  grpc::Status AppendStream(grpc::ServerContext*,
                            grpc::ServerReaderWriter<v1::AppendStreamResponse,
                                                     v1::AppendStreamRequest>* stream) override {
    bool holds = HoldsFirstAnswers();
    v1::AppendStreamResponse answers;
    v1::AppendStreamRequest request;
    for (int stored = 0; stream->Read(&request); holds = false) {
      NoteMessage(request);
      for (const v1::StreamedAppend& batch : request.appends()) {
        v1::StreamedAppendResult result;
        result.set_request_id(batch.request_id());
        const grpc::Status status = fake_.Append(batch.append(), result.mutable_response());
        if (!status.ok()) result.mutable_error()->ParseFromString(status.error_details());
        if (status.ok() && fake_.TakeStreamBreak(++stored)) {
          stream->Write(answers);
          return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the fake broke the stream");
        }
        *answers.add_results() = result;
      }
      if (holds) continue;
      stream->Write(answers);
      answers.Clear();
    }
    return grpc::Status::OK;
  }

  grpc::Status Read(grpc::ServerContext* context, const v1::ReadRequest* request,
                    grpc::ServerWriter<v1::ReadResponse>* writer) override {
    uint64_t next = Beginning(*request);
    const uint64_t last = request->end().has_inclusive()   ? request->end().inclusive()
                          : request->end().has_exclusive() ? request->end().exclusive() - 1
                                                           : UINT64_MAX;
    v1::ReadSummary summary;
    for (bool first_message = true; !context->IsCancelled(); first_message = false) {
      v1::ReadResponse response;
      {
        absl::MutexLock lock(&fake_.mutex_);
        const TableKey key{request->region_id(), request->table_id()};
        for (const v1::LogRecord& record : fake_.tables_[key].records) {
          if (record.sequence() < next || record.sequence() > last) continue;
          if (request->max_records() != 0 && summary.record_count() == request->max_records()) {
            break;
          }
          *response.add_records() = record;
          next = record.sequence() + 1;
          summary.set_record_count(summary.record_count() + 1);
          summary.set_payload_bytes(summary.payload_bytes() + record.payload().size());
        }
        // Also in heartbeats, which this daemon sends as often as it can.
        if (first_message || response.records().empty()) {
          *response.mutable_position() = fake_.Position(key);
          response.set_caught_up(request->follow());
        }
      }
      writer->Write(response);
      if (!request->follow()) return WriteSummary(summary, writer);
      NoteHeartbeat(first_message);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return grpc::Status::CANCELLED;
  }

  grpc::Status OpenProducer(grpc::ServerContext*, const v1::OpenProducerRequest*,
                            v1::OpenProducerResponse* response) override {
    response->set_producer_id(fake_.OpenProducer());
    return grpc::Status::OK;
  }

  grpc::Status MarkDeleted(grpc::ServerContext*, const v1::MarkDeletedRequest* request,
                           v1::MarkDeletedResponse* response) override {
    {
      absl::MutexLock lock(&fake_.mutex_);
      fake_.last_marks_ = *request;
    }
    for (const v1::TableMark& mark : request->marks()) {
      uint64_t through = mark.through_sequence();
      if (mark.has_before_time()) {
        absl::MutexLock lock(&fake_.mutex_);
        through =
            fake_.FirstSince({request->region_id(), mark.table_id()}, TimeOf(mark.before_time())) -
            1;
      }
      v1::TableMarkResult& result = *response->add_results();
      result.set_table_id(mark.table_id());
      fake_.MarkDeleted(request->region_id(), mark.table_id(), through);
      absl::MutexLock lock(&fake_.mutex_);
      *result.mutable_position() = fake_.Position({request->region_id(), mark.table_id()});
    }
    return grpc::Status::OK;
  }

  grpc::Status FenceRegion(grpc::ServerContext*, const v1::FenceRegionRequest* request,
                           v1::FenceRegionResponse*) override {
    absl::MutexLock lock(&fake_.mutex_);
    fake_.next_sequences_.try_emplace(request->region_id(), 1);
    return fake_.TakeVersion(request->region_id(), request->region_version());
  }

  grpc::Status Recover(grpc::ServerContext*, const v1::RecoverRequest* request,
                       grpc::ServerWriter<v1::RecoverResponse>* writer) override {
    std::function<void(uint64_t)> before;
    {
      absl::MutexLock lock(&fake_.mutex_);
      before = fake_.before_recover_;
    }
    if (before && !request->state_only()) before(request->table_id());
    absl::MutexLock lock(&fake_.mutex_);
    v1::RecoverResponse state;
    state.mutable_state()->set_engine("fake");
    state.mutable_state()->mutable_opening()->set_outcome(v1::OpeningReport::OUTCOME_CLEAN);
    v1::RecoverResponse records;
    v1::RecoverResponse summary;
    for (const auto& [key, table] : fake_.tables_) {
      if (key.first != request->region_id()) continue;
      if (request->has_table_id() && key.second != request->table_id()) continue;
      fake_.FillState(key, *state.mutable_state()->add_tables());
      if (request->state_only()) continue;
      v1::RecoverSummary& counts = *summary.mutable_summary();
      if (!table.records.empty()) counts.set_table_count(counts.table_count() + 1);
      for (const v1::LogRecord& record : table.records) {
        v1::TableLogRecord& recovered = *records.add_records();
        recovered.set_table_id(key.second);
        recovered.set_sequence(record.sequence());
        recovered.set_payload(record.payload());
        counts.set_record_count(counts.record_count() + 1);
        counts.set_payload_bytes(counts.payload_bytes() + record.payload().size());
      }
    }
    summary.mutable_summary();
    if (fake_.stream_fault_ == StreamFault::kWrongCount) {
      summary.mutable_summary()->set_record_count(summary.summary().record_count() + 1);
    }
    writer->Write(state);
    if (!request->state_only()) writer->Write(records);
    if (fake_.stream_fault_ != StreamFault::kNoSummary) writer->Write(summary);
    return grpc::Status::OK;
  }

 private:
  bool HoldsFirstAnswers() {
    absl::MutexLock lock(&fake_.mutex_);
    return fake_.holds_first_answers_;
  }

  void NoteHeartbeat(bool first_message) {
    absl::MutexLock lock(&fake_.mutex_);
    fake_.heartbeats_ = first_message ? 0 : fake_.heartbeats_ + 1;
  }

  void NoteMessage(const v1::AppendStreamRequest& request) {
    absl::MutexLock lock(&fake_.mutex_);
    fake_.message_sizes_.push_back(request.appends_size());
  }

  uint64_t Beginning(const v1::ReadRequest& request) {
    if (request.start().has_inclusive()) return request.start().inclusive();
    if (request.start().has_exclusive()) return request.start().exclusive() + 1;
    absl::MutexLock lock(&fake_.mutex_);
    const TableKey key{request.region_id(), request.table_id()};
    if (request.has_start_time()) return fake_.FirstSince(key, TimeOf(request.start_time()));
    if (!request.has_last_records()) return 1;
    const std::vector<v1::LogRecord>& records = fake_.tables_[key].records;
    if (records.size() <= request.last_records()) return 1;
    return records[records.size() - request.last_records()].sequence();
  }

  grpc::Status WriteSummary(const v1::ReadSummary& summary,
                            grpc::ServerWriter<v1::ReadResponse>* writer) {
    v1::ReadResponse response;
    *response.mutable_summary() = summary;
    absl::MutexLock lock(&fake_.mutex_);
    if (fake_.stream_fault_ == StreamFault::kWrongCount) {
      response.mutable_summary()->set_record_count(summary.record_count() + 1);
    }
    if (fake_.stream_fault_ != StreamFault::kNoSummary) writer->Write(response);
    return grpc::Status::OK;
  }

  FakeWalden& fake_;
};

// One table, whichever the requests name.
class FakeWalden::Entry : public v1::EntryService::Service {
 public:
  explicit Entry(FakeWalden& fake) : fake_(fake) {}

  grpc::Status Put(grpc::ServerContext*, const v1::PutRequest* request,
                   v1::PutResponse* response) override {
    absl::MutexLock lock(&fake_.mutex_);
    response->set_first_sequence(fake_.entries_.size() + 1);
    for (const v1::Entry& entry : request->entries()) {
      fake_.entries_.push_back(entry);
      fake_.entries_.back().set_sequence(fake_.entries_.size());
    }
    response->set_last_sequence(fake_.entries_.size());
    response->set_durable(true);
    return grpc::Status::OK;
  }

  grpc::Status Scan(grpc::ServerContext*, const v1::ScanRequest*,
                    grpc::ServerWriter<v1::ScanResponse>* writer) override {
    absl::MutexLock lock(&fake_.mutex_);
    v1::ScanResponse response;
    AddEntries(response);
    writer->Write(response);
    v1::ScanResponse end;
    Summarize(*end.mutable_summary());
    if (fake_.stream_fault_ != StreamFault::kNoSummary) writer->Write(end);
    return grpc::Status::OK;
  }

  grpc::Status Flush(grpc::ServerContext*, const v1::FlushRequest*,
                     grpc::ServerWriter<v1::FlushResponse>* writer) override {
    absl::MutexLock lock(&fake_.mutex_);
    v1::FlushResponse state;
    Summarize(*state.mutable_state());
    state.mutable_state()->set_flush_id(kFlushId);
    writer->Write(state);
    v1::FlushResponse entries;
    AddEntries(entries);
    writer->Write(entries);
    v1::FlushResponse end;
    Summarize(*end.mutable_summary());
    end.mutable_summary()->set_flush_id(kFlushId);
    if (fake_.stream_fault_ != StreamFault::kNoSummary) writer->Write(end);
    return grpc::Status::OK;
  }

 private:
  static constexpr uint64_t kFlushId = 99;

  template <typename Response>
  void AddEntries(Response& response) const ABSL_SHARED_LOCKS_REQUIRED(fake_.mutex_) {
    for (const v1::Entry& entry : fake_.entries_) *response.add_entries() = entry;
  }

  template <typename Counts>
  void Summarize(Counts& counts) const ABSL_SHARED_LOCKS_REQUIRED(fake_.mutex_) {
    uint64_t bytes = 0;
    for (const v1::Entry& entry : fake_.entries_) {
      bytes += entry.key().size() + entry.value().size();
    }
    counts.set_entry_count(fake_.entries_.size() +
                           (fake_.stream_fault_ == StreamFault::kWrongCount ? 1 : 0));
    counts.set_entry_bytes(bytes);
  }

  FakeWalden& fake_;
};

class FakeWalden::Admin : public v1::AdminService::Service {
 public:
  explicit Admin(FakeWalden& fake) : fake_(fake) {}

  grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse* response) override {
    absl::MutexLock lock(&fake_.mutex_);
    *response = fake_.info_;
    response->set_commit("1a2b3c4");
    response->mutable_start_time()->set_seconds(1'700'000'000);
    response->add_engines("fake");
    return grpc::Status::OK;
  }

  grpc::Status ListNamespaces(grpc::ServerContext*, const v1::ListNamespacesRequest* request,
                              v1::ListNamespacesResponse* response) override {
    absl::MutexLock lock(&fake_.mutex_);
    const uint64_t index = request->page_token().empty() ? 0 : std::stoull(request->page_token());
    v1::NamespaceInfo& info = *response->add_namespaces();
    info.set_namespace_id(static_cast<uint32_t>(index + 1));
    info.set_name(fake_.namespaces_[index]);
    info.set_engine("fake");
    info.set_is_default(index == 0);
    info.set_region_count(2);
    if (index + 1 < fake_.namespaces_.size()) {
      response->set_next_page_token(std::to_string(index + 1));
    }
    return grpc::Status::OK;
  }

  grpc::Status ListRegions(grpc::ServerContext*, const v1::ListRegionsRequest*,
                           v1::ListRegionsResponse* response) override {
    absl::MutexLock lock(&fake_.mutex_);
    for (const auto& [region, next] : fake_.next_sequences_) {
      v1::RegionInfo& info = *response->add_regions();
      info.set_region_id(region);
      info.set_state(v1::RegionInfo::STATE_OPEN);
      v1::RegionUsage& usage = *info.mutable_usage();
      usage.set_table_count(1);
      usage.set_live_record_count(1234 * region);
      usage.set_live_bytes(1024);
      usage.set_allocated_bytes(64u << 20);
      *usage.mutable_oldest_append_time() = TimestampOf(fake_.oldest_appended_);
    }
    if (fake_.has_broken_region_) {
      v1::RegionInfo& info = *response->add_regions();
      info.set_region_id(UINT64_MAX);
      info.set_state(v1::RegionInfo::STATE_BROKEN);
      info.mutable_error()->set_code(static_cast<int>(grpc::StatusCode::DATA_LOSS));
      info.mutable_error()->set_message("a hole");
      google::rpc::ErrorInfo reason;
      reason.set_reason("CORRUPTION");
      (*reason.mutable_metadata())["file"] = "1/seg_0";
      info.mutable_error()->add_details()->PackFrom(reason);
    }
    return grpc::Status::OK;
  }

  grpc::Status DescribeRegion(grpc::ServerContext*, const v1::DescribeRegionRequest* request,
                              v1::DescribeRegionResponse* response) override {
    absl::MutexLock lock(&fake_.mutex_);
    if (!fake_.next_sequences_.contains(request->region_id())) {
      return RefusalOf(grpc::StatusCode::NOT_FOUND, "REGION_NOT_FOUND");
    }
    response->mutable_info()->set_region_id(request->region_id());
    response->mutable_info()->set_state(v1::RegionInfo::STATE_OPEN);
    response->mutable_state()->set_engine("fake");
    response->mutable_state()->mutable_opening()->set_outcome(v1::OpeningReport::OUTCOME_TORN_TAIL);
    response->mutable_state()->mutable_opening()->set_torn_tail_bytes(12);
    response->mutable_state()->mutable_opening()->set_evidence_file("1/torn");
    for (const auto& [key, table] : fake_.tables_) {
      if (key.first != request->region_id()) continue;
      fake_.FillState(key, *response->mutable_state()->add_tables());
    }
    v1::SegmentInfo& segment = *response->add_segments();
    segment.set_file("seg_0");
    segment.set_allocated_bytes(64u << 20);
    segment.set_used_bytes(1024);
    segment.set_first_sequence(1);
    segment.set_last_sequence(3);
    return grpc::Status::OK;
  }

  grpc::Status GetTablePosition(grpc::ServerContext*, const v1::GetTablePositionRequest* request,
                                v1::GetTablePositionResponse* response) override {
    absl::MutexLock lock(&fake_.mutex_);
    *response->mutable_position() = fake_.Position({request->region_id(), request->table_id()});
    return grpc::Status::OK;
  }

  grpc::Status SyncRegion(grpc::ServerContext*, const v1::SyncRegionRequest*,
                          v1::SyncRegionResponse*) override {
    return grpc::Status::OK;
  }

  grpc::Status CloseRegion(grpc::ServerContext*, const v1::CloseRegionRequest*,
                           v1::CloseRegionResponse* response) override {
    response->set_was_open(true);
    return grpc::Status::OK;
  }

  grpc::Status DropRegion(grpc::ServerContext*, const v1::DropRegionRequest* request,
                          v1::DropRegionResponse* response) override {
    if (request->namespace_id() == 0 || !request->has_confirm_region_id() ||
        request->confirm_region_id() != request->region_id()) {
      return RefusalOf(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD");
    }
    response->set_existed(fake_.DropRegion(request->region_id()));
    return grpc::Status::OK;
  }

  grpc::Status VerifyRegion(grpc::ServerContext*, const v1::VerifyRegionRequest* request,
                            grpc::ServerWriter<v1::VerifyRegionResponse>* writer) override {
    v1::VerifyRegionResponse response;
    response.mutable_progress()->set_total_bytes(100);
    response.mutable_progress()->set_checked_bytes(50);
    v1::VerifyRegionResponse end;
    end.mutable_summary()->set_checked_bytes(100);
    end.mutable_summary()->set_checked_record_count(4);
    {
      absl::MutexLock lock(&fake_.mutex_);
      if (fake_.damaged_[request->region_id()]) {
        v1::DamagedRange& finding = *response.add_findings();
        finding.set_file("1/seg_0");
        finding.set_offset(8);
        finding.set_length(20);
        finding.set_first_sequence(3);
        finding.set_last_sequence(5);
        finding.set_description("checksum differs");
      }
    }
    writer->Write(response);
    end.mutable_summary()->set_finding_count(static_cast<uint64_t>(response.findings_size()));
    absl::MutexLock lock(&fake_.mutex_);
    if (fake_.stream_fault_ == StreamFault::kWrongCount) {
      end.mutable_summary()->set_finding_count(end.summary().finding_count() + 1);
    }
    if (fake_.stream_fault_ != StreamFault::kNoSummary) writer->Write(end);
    return grpc::Status::OK;
  }

  grpc::Status GetStatistics(grpc::ServerContext*, const v1::GetStatisticsRequest*,
                             v1::GetStatisticsResponse* response) override {
    response->mutable_uptime()->set_seconds(3661);
    response->set_open_region_count(7);
    return grpc::Status::OK;
  }

 private:
  FakeWalden& fake_;
};

class FakeWalden::Health final : public grpc::health::v1::Health::Service {
 public:
  explicit Health(FakeWalden& fake) : fake_(fake) {}

  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest*,
                     grpc::health::v1::HealthCheckResponse* response) override {
    using Response = grpc::health::v1::HealthCheckResponse;
    absl::MutexLock lock(&fake_.mutex_);
    ++fake_.health_questions_;
    response->set_status(fake_.serving_ ? Response::SERVING : Response::NOT_SERVING);
    return grpc::Status::OK;
  }

 private:
  FakeWalden& fake_;
};

std::vector<std::unique_ptr<grpc::Service>> FakeWalden::MakeServices(FakeWalden& fake) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<Wal>(fake));
  services.push_back(std::make_unique<Entry>(fake));
  services.push_back(std::make_unique<Admin>(fake));
  services.push_back(std::make_unique<Health>(fake));
  return services;
}

}  // namespace walden::cli
