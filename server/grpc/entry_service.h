// Implements EntryService with one class for each rpc.
#pragma once

#include <grpcpp/grpcpp.h>

#include <utility>

#include "server/append/append_call.h"
#include "server/append/append_environment.h"
#include "server/append/append_stream.h"
#include "server/entry/entry_read_environment.h"
#include "server/entry/entry_recover_stream.h"
#include "server/entry/finalize_call.h"
#include "server/entry/flush_stream.h"
#include "server/entry/get_call.h"
#include "server/entry/scan_stream.h"
#include "walden/v1/entry.grpc.pb.h"

namespace walden {

// Raw methods of gRPC. Put and PutStream count the fields of a message before they parse it
// (parsed_size.h); Scan, Flush and Recover encode their entries themselves (entry_encoder.h).
using EntryServiceMethods = v1::EntryService::WithRawCallbackMethod_Put<
    v1::EntryService::WithRawCallbackMethod_PutStream<v1::EntryService::WithCallbackMethod_Get<
        v1::EntryService::WithRawCallbackMethod_Scan<v1::EntryService::WithRawCallbackMethod_Flush<
            v1::EntryService::WithCallbackMethod_Finalize<
                v1::EntryService::WithRawCallbackMethod_Recover<v1::EntryService::Service>>>>>>>;

class EntryService final : public EntryServiceMethods {
 public:
  EntryService(AppendEnvironment put, EntryReadEnvironment read)
      : put_(std::move(put)), read_(std::move(read)) {}

 private:
  // The request is not const where gRPC made it, and is used by nobody else.
  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* call, const grpc::ByteBuffer* request,
                                grpc::ByteBuffer* response) override {
    return new PutCall(put_, *call, const_cast<grpc::ByteBuffer&>(*request), response);
  }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PutStream(
      grpc::CallbackServerContext* call) override {
    return new walden::PutStream(put_, *call);
  }

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* call, const v1::GetRequest* request,
                                v1::GetResponse* response) override {
    return new GetCall(read_, *call, *request, response);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Scan(grpc::CallbackServerContext* call,
                                                   const grpc::ByteBuffer* request) override {
    return new ScanStream(read_, *call, *request);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Flush(grpc::CallbackServerContext* call,
                                                    const grpc::ByteBuffer* request) override {
    return new FlushStream(read_.read, *call, *request);
  }

  grpc::ServerUnaryReactor* Finalize(grpc::CallbackServerContext* call,
                                     const v1::FinalizeRequest* request,
                                     v1::FinalizeResponse* response) override {
    return new FinalizeCall(put_.admission, put_.registry, *call, *request, response);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Recover(grpc::CallbackServerContext* call,
                                                      const grpc::ByteBuffer* request) override {
    return new EntryRecoverStream(read_.read, *call, *request);
  }

  const AppendEnvironment put_;
  const EntryReadEnvironment read_;
};

}  // namespace walden
