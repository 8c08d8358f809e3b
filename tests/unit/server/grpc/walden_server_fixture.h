// A whole server over the engine in memory, and a client on a unix socket.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/grpc/walden_server.h"
#include "tests/support/memory_engine/memory_engine.h"
#include "walden/v1/admin.grpc.pb.h"
#include "walden/v1/wal.grpc.pb.h"

namespace walden {

class WaldenServerTest : public ::testing::Test {
 protected:
  WaldenServerTest();
  ~WaldenServerTest() override;

  // (Re)starts with `options_`, over an engine with `engine_options_`, which is empty by default.
  void Start();

  grpc::Status Append(uint64_t region, uint64_t table, const std::vector<std::string>& payloads,
                      v1::AppendResponse* response = nullptr);
  grpc::Status MarkDeleted(uint64_t region, uint64_t table, uint64_t through,
                           v1::MarkDeletedResponse* response = nullptr);
  // Every message of the stream put together.
  grpc::Status Read(const v1::ReadRequest& request, v1::ReadResponse* all);
  v1::GetStatisticsResponse Statistics();
  // The server's, until it stops.
  const RegionRegistry& Registry() const;
  // Waits until nobody holds bytes of either budget; gRPC lets go of some a moment after the call.
  void ExpectNoBytesHeld();

  static v1::ReadRequest ReadOf(uint64_t region, uint64_t table);
  // The reason of the ErrorInfo, empty if there is none.
  static std::string ReasonOf(const grpc::Status& status);
  static std::vector<std::string> PayloadsOf(const v1::ReadResponse& response);

  const std::string directory_;
  ServerOptions options_;
  MemoryEngineOptions engine_options_;
  MemoryEngine* engine_ = nullptr;
  std::unique_ptr<WaldenServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::WalService::Stub> wal_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

// Blocks those who pass until it is opened.
class Gate {
 public:
  void Open() {
    absl::MutexLock lock(&mutex_);
    open_ = true;
  }
  void Pass() {
    absl::MutexLock lock(&mutex_);
    ++passing_;
    mutex_.Await(absl::Condition(&open_));
  }
  // Until somebody stands before it, or so many.
  void AwaitArrivals(int count) {
    const auto are_there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return passing_ >= count; };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&are_there));
  }
  void AwaitArrival() { AwaitArrivals(1); }

 private:
  absl::Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  int passing_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace walden
