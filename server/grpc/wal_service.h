// Implements WalService with one class for each rpc.
#pragma once

#include <grpcpp/grpcpp.h>

#include <utility>

#include "server/append/append_call.h"
#include "server/append/append_environment.h"
#include "server/append/append_stream.h"
#include "server/append/fence_region_call.h"
#include "server/append/mark_deleted_call.h"
#include "server/append/open_producer_call.h"
#include "server/read/read_environment.h"
#include "server/read/read_stream.h"
#include "server/read/recover_stream.h"
#include "walden/v1/wal.grpc.pb.h"

namespace walden {

// Raw methods of gRPC. Append and AppendStream count the fields of a message before they parse it
// (parsed_size.h); Read and Recover encode their answers themselves (record_encoder.h).
using WalServiceMethods =
    v1::WalService::WithRawCallbackMethod_Append<v1::WalService::WithRawCallbackMethod_AppendStream<
        v1::WalService::WithCallbackMethod_OpenProducer<v1::WalService::WithRawCallbackMethod_Read<
            v1::WalService::WithCallbackMethod_MarkDeleted<
                v1::WalService::WithCallbackMethod_FenceRegion<
                    v1::WalService::WithRawCallbackMethod_Recover<v1::WalService::Service>>>>>>>;

class WalService final : public WalServiceMethods {
 public:
  WalService(AppendEnvironment append, ReadEnvironment read)
      : append_(std::move(append)), read_(std::move(read)) {}

 private:
  // The request is not const where gRPC made it, and is used by nobody else.
  grpc::ServerUnaryReactor* Append(grpc::CallbackServerContext* call,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    return new AppendCall(append_, *call, const_cast<grpc::ByteBuffer&>(*request), response);
  }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* AppendStream(
      grpc::CallbackServerContext* call) override {
    return new walden::AppendStream(append_, *call);
  }

  grpc::ServerUnaryReactor* OpenProducer(grpc::CallbackServerContext* call,
                                         const v1::OpenProducerRequest* request,
                                         v1::OpenProducerResponse* response) override {
    return new OpenProducerCall(append_.admission, append_.registry, *call, *request, response);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Read(grpc::CallbackServerContext* call,
                                                   const grpc::ByteBuffer* request) override {
    return new ReadStream(read_, *call, *request);
  }

  grpc::ServerUnaryReactor* MarkDeleted(grpc::CallbackServerContext* call,
                                        const v1::MarkDeletedRequest* request,
                                        v1::MarkDeletedResponse* response) override {
    return new MarkDeletedCall(append_, *call, *request, response);
  }

  grpc::ServerUnaryReactor* FenceRegion(grpc::CallbackServerContext* call,
                                        const v1::FenceRegionRequest* request,
                                        v1::FenceRegionResponse*) override {
    return new FenceRegionCall(append_.admission, append_.registry, *call, *request);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Recover(grpc::CallbackServerContext* call,
                                                      const grpc::ByteBuffer* request) override {
    return new RecoverStream(read_, *call, *request);
  }

  const AppendEnvironment append_;
  const ReadEnvironment read_;
};

}  // namespace walden
