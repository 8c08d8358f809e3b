// Recover: the state of a region, every live record of it, and a summary.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "engine/description.h"
#include "engine/log_engine.h"
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
  bool WantsRecords() const override { return !request_.state_only(); }
  void EncodeRecord(const RecordView& record, Chunk& chunk) override;
  absl::Status FinishRecords(const ReadSession* session) override;

  size_t ItemsPerMessage(const OpeningReport& opening) const;
  std::vector<TableState> TakeTables(size_t limit);

  v1::RecoverRequest request_;
  std::shared_ptr<RegionActor> actor_;
  ReadSession* reading_ = nullptr;
  // The part of the state that is still to be sent: the tables of the cut, then all from the cursor on.
  std::unique_ptr<TableCut> cut_;
  std::optional<DescribeCursor> state_at_;
  bool is_first_state_ = true;
  bool may_be_stale_ = false;  // state and records
  absl::flat_hash_set<TableId> tables_;
  TableId last_table_ = 0;
};

}  // namespace walden
