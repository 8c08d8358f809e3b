// Server reflection, of both versions, over a real socket.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

using google::protobuf::FileDescriptorProto;
using grpc::reflection::v1::ServerReflection;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;
using ReflectionCall = grpc::ClientReaderWriter<ServerReflectionRequest, ServerReflectionResponse>;

class ReflectionTest : public WaldenServerTest {
 protected:
  // Asks for `request` in the stream.
  static ServerReflectionResponse Ask(ReflectionCall& stream,
                                      const ServerReflectionRequest& request) {
    ServerReflectionResponse response;
    EXPECT_TRUE(stream.Write(request));
    EXPECT_TRUE(stream.Read(&response));
    return response;
  }

  // Asks for `request` in a stream of its own.
  ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
    const auto stub = ServerReflection::NewStub(channel_);
    grpc::ClientContext call;
    const auto stream = stub->ServerReflectionInfo(&call);
    ServerReflectionResponse response = Ask(*stream, request);
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
    return response;
  }

  static ServerReflectionRequest FileOf(const std::string& symbol) {
    ServerReflectionRequest request;
    request.set_file_containing_symbol(symbol);
    return request;
  }

  static std::vector<std::string> NamesOf(const ServerReflectionResponse& response) {
    std::vector<std::string> names;
    for (const std::string& encoded : response.file_descriptor_response().file_descriptor_proto()) {
      FileDescriptorProto file;
      EXPECT_TRUE(file.ParseFromString(encoded));
      names.push_back(file.name());
    }
    return names;
  }
};

TEST_F(ReflectionTest, AFileComesWithThoseThatItImports) {
  const std::vector<std::string> names = NamesOf(Ask(FileOf("walden.v1.WalService.Append")));
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names[0], "walden/v1/wal.proto");
  EXPECT_THAT(names, ::testing::IsSupersetOf({"walden/v1/common.proto", "google/rpc/status.proto",
                                              "google/protobuf/any.proto"}));
}

TEST_F(ReflectionTest, AStreamSendsImportedFilesOnceAndTheFileThatIsAskedForAlways) {
  const auto stub = ServerReflection::NewStub(channel_);
  grpc::ClientContext call;
  const auto stream = stub->ServerReflectionInfo(&call);
  EXPECT_GT(NamesOf(Ask(*stream, FileOf("walden.v1.WalService"))).size(), 1u);
  EXPECT_THAT(NamesOf(Ask(*stream, FileOf("walden.v1.WalService"))),
              ::testing::ElementsAre("walden/v1/wal.proto"));
  ServerReflectionRequest by_name;
  by_name.set_file_by_filename("walden/v1/common.proto");
  EXPECT_THAT(NamesOf(Ask(*stream, by_name)), ::testing::ElementsAre("walden/v1/common.proto"));
}

TEST_F(ReflectionTest, WhatIsNotKnownIsAnErrorResponseAndTheStreamGoesOn) {
  const auto stub = ServerReflection::NewStub(channel_);
  grpc::ClientContext call;
  const auto stream = stub->ServerReflectionInfo(&call);
  ServerReflectionRequest file;
  file.set_file_by_filename("no/such.proto");
  ServerReflectionRequest extension;
  extension.mutable_file_containing_extension()->set_containing_type("google.protobuf.FileOptions");
  extension.mutable_file_containing_extension()->set_extension_number(1);
  ServerReflectionRequest type;
  type.set_all_extension_numbers_of_type("no.such.Type");
  for (const ServerReflectionRequest& request : {file, FileOf("no.Such"), extension, type}) {
    const ServerReflectionResponse response = Ask(*stream, request);
    EXPECT_EQ(response.error_response().error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(response.original_request().DebugString(), request.DebugString());
  }
  EXPECT_EQ(Ask(*stream, {}).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  type.set_all_extension_numbers_of_type("google.protobuf.FileOptions");
  EXPECT_EQ(Ask(*stream, type).all_extension_numbers_response().base_type_name(),
            "google.protobuf.FileOptions");
}

TEST_F(ReflectionTest, ARequestOfManyBytesIsNotRepeatedInAnAnswer) {
  const auto stub = ServerReflection::NewStub(channel_);
  grpc::ClientContext call;
  const auto stream = stub->ServerReflectionInfo(&call);
  stream->Write(FileOf(std::string(65 << 10, 'x')));
  ServerReflectionResponse response;
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
}

TEST_F(ReflectionTest, AnOpenStreamEndsWhenTheServerStops) {
  const auto stub = ServerReflection::NewStub(channel_);
  grpc::ClientContext call;
  const auto stream = stub->ServerReflectionInfo(&call);
  Ask(*stream, FileOf("walden.v1.WalService"));
  EXPECT_TRUE(server_->Stop(absl::InfiniteDuration()).ok());
  ServerReflectionResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(ReasonOf(stream->Finish()), "SHUTTING_DOWN");
}

TEST_F(ReflectionTest, StreamsCountTowardsTheLimitOfCalls) {
  options_.max_calls = 1;
  Start();
  const auto stub = ServerReflection::NewStub(channel_);
  grpc::ClientContext call;
  const auto stream = stub->ServerReflectionInfo(&call);
  Ask(*stream, FileOf("walden.v1.WalService"));
  grpc::ClientContext second_call;
  const auto second_stream = stub->ServerReflectionInfo(&second_call);
  ServerReflectionResponse response;
  EXPECT_FALSE(second_stream->Read(&response));
  EXPECT_EQ(ReasonOf(second_stream->Finish()), "TOO_MANY_CALLS");
}

TEST_F(ReflectionTest, BothVersionsListTheSameServicesAndDescribeEachOfThem) {
  ServerReflectionRequest list;
  list.set_list_services("");
  std::vector<std::string> names;
  const ServerReflectionResponse listed = Ask(list);
  for (const auto& service : listed.list_services_response().service()) {
    names.push_back(service.name());
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre(
                         "walden.v1.WalService", "walden.v1.EntryService", "walden.v1.AdminService",
                         "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                         "grpc.reflection.v1alpha.ServerReflection"));
  namespace alpha = grpc::reflection::v1alpha;
  const auto stub = alpha::ServerReflection::NewStub(channel_);
  grpc::ClientContext call;
  const auto stream = stub->ServerReflectionInfo(&call);
  alpha::ServerReflectionRequest request;
  alpha::ServerReflectionResponse response;
  request.set_list_services("");
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  std::vector<std::string> alpha_names;
  for (const auto& service : response.list_services_response().service()) {
    alpha_names.push_back(service.name());
  }
  EXPECT_EQ(alpha_names, names);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    request.set_file_containing_symbol(name);
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_GT(response.file_descriptor_response().file_descriptor_proto_size(), 0);
    EXPECT_EQ(response.original_request().file_containing_symbol(), name);
    const ServerReflectionResponse described = Ask(FileOf(name));
    ASSERT_FALSE(NamesOf(described).empty());
    // A stream does not send an imported file twice, so it may send fewer.
    EXPECT_EQ(described.file_descriptor_response().file_descriptor_proto(0),
              response.file_descriptor_response().file_descriptor_proto(0));
  }
  request.set_file_by_filename("no/such.proto");
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ReflectionTest, NeitherVersionIsServedWhenItIsOff) {
  options_.reflection = false;
  Start();
  grpc::ClientContext call;
  const auto stub = ServerReflection::NewStub(channel_);
  EXPECT_EQ(stub->ServerReflectionInfo(&call)->Finish().error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  grpc::ClientContext alpha_call;
  const auto alpha_stub = grpc::reflection::v1alpha::ServerReflection::NewStub(channel_);
  EXPECT_EQ(alpha_stub->ServerReflectionInfo(&alpha_call)->Finish().error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace walden
