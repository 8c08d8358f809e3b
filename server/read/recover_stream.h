// Recover: the state of a region, every live record of it, and a summary.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "engine/description.h"
#include "server/read/chunk_stream.h"
#include "walden/v1/wal.pb.h"

namespace walden {

class RecoverStream final : public ChunkStream {
 public:
  RecoverStream(const ReadEnvironment& environment, const grpc::CallbackServerContext& call,
                const grpc::ByteBuffer& request);

 private:
  absl::StatusOr<Opening> Open(std::shared_ptr<RegionActor> actor,
                               std::unique_ptr<ReadSession>& session) override;
  bool HasPreface() const override { return state_at_.has_value(); }
  void FillPreface(Chunk& chunk) override;
  void EncodeRecord(const RecordView& record, Chunk& chunk) override;
  absl::Status FinishRecords(const ReadSession* session) override;

  size_t ItemsPerMessage(const OpeningReport& opening) const;

  v1::RecoverRequest request_;
  std::string engine_;
  std::shared_ptr<RegionActor> actor_;
  ReadSession* reading_ = nullptr;
  std::optional<DescribeCursor> state_at_;  // what of the state is still to be sent
  bool is_first_state_ = true;
  absl::flat_hash_set<TableId> tables_;
  TableId last_table_ = 0;
};

}  // namespace walden
