// Implements server reflection v1 and v1alpha. gRPC's own, of Debian 12, knows v1alpha alone and does not
// describe the health service that it lists.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>
#include <vector>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/grpc/reflection_stream.h"

namespace walden {

// One version: `Api` is its generated class.
template <typename Api>
class ReflectionService final
    : public Api::template WithRawCallbackMethod_ServerReflectionInfo<typename Api::Service> {
 public:
  // `live_calls` outlives the service. `services`: full names of the services that are listed.
  ReflectionService(LiveCalls& live_calls, std::vector<std::string> services)
      : live_calls_(live_calls), services_(std::move(services)) {}

 private:
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ServerReflectionInfo(
      grpc::CallbackServerContext*) override {
    return new ReflectionStream(live_calls_, services_);
  }

  LiveCalls& live_calls_;
  const std::vector<std::string> services_;
};

using ReflectionV1 = ReflectionService<grpc::reflection::v1::ServerReflection>;
using ReflectionV1Alpha = ReflectionService<grpc::reflection::v1alpha::ServerReflection>;

}  // namespace walden
