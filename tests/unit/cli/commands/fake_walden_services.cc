// What the services of a FakeWalden answer.
#include <algorithm>
#include <chrono>
#include <thread>

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
    v1::AppendStreamRequest request;
    for (int stored = 0; stream->Read(&request);) {
      v1::AppendStreamResponse response;
      response.set_request_id(request.request_id());
      const grpc::Status status = fake_.Append(request.append(), response.mutable_appended());
      if (status.ok()) {
        if (fake_.TakeStreamBreak(++stored)) {
          return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the fake broke the stream");
        }
      } else {
        response.mutable_refused()->ParseFromString(status.error_details());
      }
      stream->Write(response);
    }
    return grpc::Status::OK;
  }

  grpc::Status Read(grpc::ServerContext* context, const v1::ReadRequest* request,
                    grpc::ServerWriter<v1::ReadResponse>* writer) override {
    uint64_t next = request->start().has_inclusive()   ? request->start().inclusive()
                    : request->start().has_exclusive() ? request->start().exclusive() + 1
                                                       : 1;
    const uint64_t last = request->end().has_inclusive()   ? request->end().inclusive()
                          : request->end().has_exclusive() ? request->end().exclusive() - 1
                                                           : UINT64_MAX;
    uint64_t sent = 0;
    for (bool first_message = true; !context->IsCancelled(); first_message = false) {
      v1::ReadResponse response;
      {
        absl::MutexLock lock(&fake_.mutex_);
        const TableKey key{request->region_id(), request->table_id()};
        if (first_message) *response.mutable_position() = fake_.Position(key);
        for (const v1::Record& record : fake_.tables_[key].records) {
          if (record.sequence() < next || record.sequence() > last) continue;
          if (request->max_records() != 0 && sent == request->max_records()) break;
          *response.add_records() = record;
          next = record.sequence() + 1;
          ++sent;
        }
      }
      if (response.has_position() || response.records_size() > 0) writer->Write(response);
      if (!request->follow()) return grpc::Status::OK;
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
    response->set_deleted_through(
        fake_.MarkDeleted(request->region_id(), request->table_id(), request->through_sequence()));
    return grpc::Status::OK;
  }

  grpc::Status Recover(grpc::ServerContext*, const v1::RecoverRequest* request,
                       grpc::ServerWriter<v1::RecoverResponse>* writer) override {
    std::function<void(uint64_t)> before;
    {
      absl::MutexLock lock(&fake_.mutex_);
      before = fake_.before_recover_;
    }
    if (before) before(request->table_id());
    absl::MutexLock lock(&fake_.mutex_);
    v1::RecoverResponse state;
    state.mutable_state()->set_engine("fake");
    state.mutable_state()->mutable_opening()->set_outcome(v1::OpeningReport::OUTCOME_CLEAN);
    v1::RecoverResponse records;
    v1::RecoverResponse summary;
    for (const auto& [key, table] : fake_.tables_) {
      if (key.first != request->region_id()) continue;
      if (request->has_table_id() && key.second != request->table_id()) continue;
      state.mutable_state()->add_tables()->set_table_id(key.second);
      v1::RecoverSummary& counts = *summary.mutable_summary();
      if (!table.records.empty()) counts.set_tables(counts.tables() + 1);
      for (const v1::Record& record : table.records) {
        v1::TableRecord& recovered = *records.mutable_records()->add_records();
        recovered.set_table_id(key.second);
        recovered.set_sequence(record.sequence());
        recovered.set_payload(record.payload());
        counts.set_records(counts.records() + 1);
        counts.set_payload_bytes(counts.payload_bytes() + record.payload().size());
      }
    }
    summary.mutable_summary();
    if (fake_.recover_fault_ == RecoverFault::kWrongCount) {
      summary.mutable_summary()->set_records(summary.summary().records() + 1);
    }
    writer->Write(state);
    writer->Write(records);
    if (fake_.recover_fault_ != RecoverFault::kNoSummary) writer->Write(summary);
    return grpc::Status::OK;
  }

 private:
  FakeWalden& fake_;
};

class FakeWalden::Admin : public v1::AdminService::Service {
 public:
  explicit Admin(FakeWalden& fake) : fake_(fake) {}

  grpc::Status ListNamespaces(grpc::ServerContext*, const v1::ListNamespacesRequest*,
                              v1::ListNamespacesResponse* response) override {
    v1::NamespaceInfo& info = *response->add_namespaces();
    info.set_id(1);
    info.set_name("default");
    info.set_engine("fake");
    info.set_is_default(true);
    info.set_regions(2);
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
      usage.set_tables(1);
      usage.set_live_records(1234 * region);
      usage.set_live_bytes(1024);
      usage.set_allocated_bytes(64u << 20);
      usage.set_oldest_appended_unix_ms(fake_.oldest_appended_unix_ms_);
    }
    if (fake_.has_broken_region_) {
      v1::RegionInfo& info = *response->add_regions();
      info.set_region_id(UINT64_MAX);
      info.set_state(v1::RegionInfo::STATE_BROKEN);
      info.set_error("a hole");
    }
    return grpc::Status::OK;
  }

  grpc::Status DescribeRegion(grpc::ServerContext*, const v1::DescribeRegionRequest* request,
                              v1::DescribeRegionResponse* response) override {
    absl::MutexLock lock(&fake_.mutex_);
    if (!fake_.next_sequences_.contains(request->region_id())) {
      return RefusalOf(grpc::StatusCode::NOT_FOUND, "NOT_FOUND");
    }
    response->mutable_info()->set_region_id(request->region_id());
    response->mutable_info()->set_state(v1::RegionInfo::STATE_OPEN);
    response->mutable_state()->set_engine("fake");
    response->mutable_state()->mutable_opening()->set_outcome(v1::OpeningReport::OUTCOME_TORN_TAIL);
    response->mutable_state()->mutable_opening()->set_torn_tail_bytes(12);
    response->mutable_state()->mutable_opening()->set_evidence_file("1/torn");
    for (const auto& [key, stored] : fake_.tables_) {
      if (key.first != request->region_id()) continue;
      const v1::TablePosition position = fake_.Position(key);
      v1::TableState& table = *response->mutable_state()->add_tables();
      table.set_table_id(key.second);
      table.set_next_sequence(position.next_sequence());
      table.set_deleted_through(position.deleted_through());
      if (stored.records.empty()) continue;
      table.set_first_live_sequence(stored.records.front().sequence());
      table.set_last_live_sequence(stored.records.back().sequence());
    }
    v1::SegmentInfo& segment = *response->add_segments();
    segment.set_file("seg_0");
    segment.set_allocated_bytes(64u << 20);
    segment.set_used_bytes(1024);
    segment.set_first_sequence(1);
    segment.set_last_sequence(3);
    return grpc::Status::OK;
  }

  grpc::Status GetNextSequence(grpc::ServerContext*, const v1::GetNextSequenceRequest* request,
                               v1::GetNextSequenceResponse* response) override {
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
    if (request->confirm_region_id() != request->region_id()) {
      return RefusalOf(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD");
    }
    response->set_existed(fake_.DropRegion(request->region_id()));
    return grpc::Status::OK;
  }

  grpc::Status Verify(grpc::ServerContext*, const v1::VerifyRequest* request,
                      grpc::ServerWriter<v1::VerifyResponse>* writer) override {
    v1::VerifyResponse response;
    response.set_bytes_total(100);
    response.set_bytes_checked(50);
    {
      absl::MutexLock lock(&fake_.mutex_);
      if (fake_.damaged_[request->region_id()]) {
        v1::DamagedRange& finding = *response.add_findings();
        finding.set_file("1/seg_0");
        finding.set_offset(8);
        finding.set_length(20);
        finding.set_first_sequence(3);
        finding.set_last_sequence(5);
        finding.set_reason("checksum differs");
      }
    }
    writer->Write(response);
    response.clear_findings();
    response.set_bytes_checked(100);
    response.set_records_checked(4);
    response.set_done(true);
    writer->Write(response);
    return grpc::Status::OK;
  }

  grpc::Status GetStatistics(grpc::ServerContext*, const v1::GetStatisticsRequest*,
                             v1::GetStatisticsResponse* response) override {
    absl::MutexLock lock(&fake_.mutex_);
    *response = fake_.statistics_;
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
  services.push_back(std::make_unique<Admin>(fake));
  services.push_back(std::make_unique<Health>(fake));
  return services;
}

}  // namespace walden::cli
