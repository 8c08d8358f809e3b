// Answers the requests of server reflection from the descriptors of this process.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "grpc/reflection/v1/reflection.pb.h"

namespace walden {

// Answers the requests of one stream, in order. One thread at a time.
class ReflectionAnswers {
 public:
  // Full names of the services that are listed. They outlive this.
  explicit ReflectionAnswers(const std::vector<std::string>& services) : services_(services) {}

  // An unknown name is answered with an error response (NOT_FOUND), which does not end the stream.
  void Answer(const grpc::reflection::v1::ServerReflectionRequest& request,
              grpc::reflection::v1::ServerReflectionResponse* response);

 private:
  using Response = grpc::reflection::v1::ServerReflectionResponse;

  void AnswerFile(const google::protobuf::FileDescriptor* file, Response* response);
  void AddFile(const google::protobuf::FileDescriptor& file,
               grpc::reflection::v1::FileDescriptorResponse* files);

  const std::vector<std::string>& services_;
  absl::flat_hash_set<const google::protobuf::FileDescriptor*> sent_;
};

}  // namespace walden
