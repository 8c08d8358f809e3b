// EntryService: each rpc is a class of its own.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/append/append_call.h"
#include "server/append/append_stream.h"
#include "server/call/rpc_context.h"
#include "server/entry/entry_recover_stream.h"
#include "server/entry/finalize_call.h"
#include "server/entry/flush_stream.h"
#include "server/entry/get_call.h"
#include "server/entry/scan_stream.h"
#include "walden/v1/entry.grpc.pb.h"

namespace walden {

// Scan, Flush and Recover encode their entries themselves (entry_encoder.h), so gRPC hands them raw
// bytes.
using EntryServiceMethods = v1::EntryService::WithCallbackMethod_Put<
    v1::EntryService::WithCallbackMethod_PutStream<v1::EntryService::WithCallbackMethod_Get<
        v1::EntryService::WithRawCallbackMethod_Scan<v1::EntryService::WithRawCallbackMethod_Flush<
            v1::EntryService::WithCallbackMethod_Finalize<
                v1::EntryService::WithRawCallbackMethod_Recover<v1::EntryService::Service>>>>>>>;

class EntryService final : public EntryServiceMethods {
 public:
  explicit EntryService(const RpcContext& context) : context_(context) {}

 private:
  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* call, const v1::PutRequest* request,
                                v1::PutResponse* response) override {
    return new PutCall(context_, *call, *request, response);
  }

  grpc::ServerBidiReactor<v1::PutStreamRequest, v1::PutStreamResponse>* PutStream(
      grpc::CallbackServerContext* call) override {
    return new walden::PutStream(context_, *call);
  }

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* call, const v1::GetRequest* request,
                                v1::GetResponse* response) override {
    return new GetCall(context_, *call, *request, response);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Scan(grpc::CallbackServerContext* call,
                                                   const grpc::ByteBuffer* request) override {
    return new ScanStream(context_, *call, *request);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Flush(grpc::CallbackServerContext* call,
                                                    const grpc::ByteBuffer* request) override {
    return new FlushStream(context_, *call, *request);
  }

  grpc::ServerUnaryReactor* Finalize(grpc::CallbackServerContext* call,
                                     const v1::FinalizeRequest* request,
                                     v1::FinalizeResponse* response) override {
    return new FinalizeCall(context_, *call, *request, response);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Recover(grpc::CallbackServerContext* call,
                                                      const grpc::ByteBuffer* request) override {
    return new EntryRecoverStream(context_, *call, *request);
  }

  const RpcContext& context_;
};

}  // namespace walden
