// Get: answers the newest entry of each key.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/entry/entry_table.h"
#include "server/call/call.h"
#include "server/entry/entry_read_environment.h"
#include "server/region/region_actor.h"
#include "walden/v1/entry.pb.h"

namespace walden {

// Answers on the thread on which it arrives, unless pages must be loaded or the log must be read.
// Deletes itself when gRPC is done with it; request and response belong to gRPC until then.
class GetCall final : public grpc::ServerUnaryReactor, private StandingWrite {
 public:
  GetCall(const EntryReadEnvironment& environment, const grpc::CallbackServerContext& call,
          const v1::GetRequest& request, v1::GetResponse* response);

 private:
  void OnDone() override;
  std::function<void()> OnStall() override;

  void Look(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor);
  void WaitThenLook();
  void LookIntoMemory(const absl::Status& ready);
  void LookIntoLog();
  void Found(size_t index, const RecordView& record);
  void End(const absl::Status& status);

  const EntryReadEnvironment& environment_;
  const Call call_;
  const grpc::CallbackServerContext& grpc_call_;
  const v1::GetRequest& request_;
  v1::GetResponse* const response_;
  std::shared_ptr<entry::EntryTable> table_;
  int64_t now_unix_ms_ = 0;
  std::vector<size_t> unknown_;  // keys to be looked for in the log
  uint64_t bytes_ = 0;           // an upper bound of the answer's size
  size_t message_bytes_ = 0;     // the answer is not larger
  absl::Status too_large_;       // an entry that no answer of this size can hold
  uint64_t held_bytes_ = 0;      // of the readers' budget
};

}  // namespace walden
