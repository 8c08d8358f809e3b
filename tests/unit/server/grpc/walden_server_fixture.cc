#include "tests/unit/server/grpc/walden_server_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include <utility>

#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace walden {
namespace {

std::string MakeDirectory() {
  std::string path = "/tmp/walden_server_test.XXXXXX";
  EXPECT_NE(mkdtemp(path.data()), nullptr);
  return path;
}

}  // namespace

WaldenServerTest::WaldenServerTest() : directory_(MakeDirectory()) {
  options_.listen = {"unix:" + directory_ + "/socket"};
  options_.version = "1.2.3";
  Start();
}

WaldenServerTest::~WaldenServerTest() {
  server_ = nullptr;
  unlink((directory_ + "/socket").c_str());
  rmdir(directory_.c_str());
}

void WaldenServerTest::Start() {
  server_ = nullptr;
  auto ns = std::make_unique<Namespace>();
  ns->id = 1;
  ns->name = "data";
  auto engine = std::make_unique<MemoryEngine>(engine_options_);
  engine_ = engine.get();
  ns->engine = std::move(engine);
  NamespaceSet namespaces;
  namespaces.Add(std::move(ns));
  absl::StatusOr<std::unique_ptr<WaldenServer>> server =
      WaldenServer::Start(options_, std::move(namespaces), nullptr);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ = grpc::CreateCustomChannel(server_->addresses()[0], grpc::InsecureChannelCredentials(),
                                       arguments);
  wal_ = v1::WalService::NewStub(channel_);
  admin_ = v1::AdminService::NewStub(channel_);
}

grpc::Status WaldenServerTest::Append(uint64_t region, uint64_t table,
                                      const std::vector<std::string>& payloads,
                                      v1::AppendResponse* response) {
  v1::AppendRequest request;
  request.set_region_id(region);
  v1::TableAppend* const part = request.add_tables();
  part->set_table_id(table);
  for (const std::string& payload : payloads) part->add_payloads(payload);
  v1::AppendResponse ignored;
  grpc::ClientContext call;
  return wal_->Append(&call, request, response == nullptr ? &ignored : response);
}

grpc::Status WaldenServerTest::Read(const v1::ReadRequest& request, v1::ReadResponse* all) {
  grpc::ClientContext call;
  const auto stream = wal_->Read(&call, request);
  v1::ReadResponse part;
  while (stream->Read(&part)) all->MergeFrom(part);
  return stream->Finish();
}

v1::GetStatisticsResponse WaldenServerTest::Statistics() {
  grpc::ClientContext call;
  v1::GetStatisticsResponse response;
  EXPECT_TRUE(admin_->GetStatistics(&call, {}, &response).ok());
  return response;
}

const RegionRegistry& WaldenServerTest::Registry() const {
  const RegionRegistry* found = nullptr;
  server_->observation().registry.With(
      [&found](const RegionRegistry& registry) { found = &registry; });
  return *found;
}

void WaldenServerTest::ExpectNoBytesHeld() {
  v1::GetStatisticsResponse statistics;
  for (int i = 0; i < 1000; ++i) {
    statistics = Statistics();
    if (statistics.mailbox_bytes() + statistics.reader_bytes() + statistics.open_reader_count() ==
        0) {
      return;
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  ADD_FAILURE() << "still held: " << statistics.DebugString();
}

grpc::Status WaldenServerTest::MarkDeleted(uint64_t region, uint64_t table, uint64_t through,
                                           v1::MarkDeletedResponse* response) {
  v1::MarkDeletedRequest request;
  request.set_region_id(region);
  v1::TableMark* const mark = request.add_marks();
  mark->set_table_id(table);
  mark->set_through_sequence(through);
  v1::MarkDeletedResponse ignored;
  grpc::ClientContext call;
  return wal_->MarkDeleted(&call, request, response == nullptr ? &ignored : response);
}

v1::ReadRequest WaldenServerTest::ReadOf(uint64_t region, uint64_t table) {
  v1::ReadRequest request;
  request.set_region_id(region);
  request.set_table_id(table);
  return request;
}

std::string WaldenServerTest::ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (!details.ParseFromString(status.error_details()) || details.details_size() == 0 ||
      !details.details(0).UnpackTo(&info)) {
    return "";
  }
  return info.reason();
}

std::vector<std::string> WaldenServerTest::PayloadsOf(const v1::ReadResponse& response) {
  std::vector<std::string> payloads;
  for (const v1::LogRecord& record : response.records()) payloads.push_back(record.payload());
  return payloads;
}

}  // namespace walden
