// Read: the live records of one table.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/time/time.h"
#include "server/call/request_checks.h"
#include "server/read/chunk_stream.h"
#include "server/read/last_records.h"
#include "walden/v1/wal.pb.h"

namespace walden {

class ReadStream final : public ChunkStream {
 public:
  ReadStream(const ReadEnvironment& environment, const grpc::CallbackServerContext& call,
             const grpc::ByteBuffer& request);

 private:
  absl::StatusOr<Opening> Open(std::shared_ptr<RegionActor> actor,
                               std::unique_ptr<ReadSession>& session) override;
  void EncodeRecord(const RecordView& record, Chunk& chunk) override;
  void OnSkipped(const ReadSession& session) override;
  absl::Duration HeartbeatInterval() const override { return heartbeat_interval_; }
  bool AddMark(const RegionLog* log, SequenceNumber next) override;
  absl::Status FinishRecords(const ReadSession* session) override;

  absl::Status CheckRequest();
  absl::Status FindBeginning(const std::shared_ptr<RegionActor>& actor,
                             const TablePosition& position);
  absl::StatusOr<bool> SearchOn(const RegionActor& actor);
  void AddPosition(bool may_be_stale, const TablePosition& position, bool caught_up);

  v1::ReadRequest request_;
  SequenceBounds bounds_;
  SequenceNumber asked_first_ = 0;  // that `start` names, also where the range is empty
  absl::Duration heartbeat_interval_ = absl::Seconds(10);
  bool position_sent_ = false;
  bool may_be_stale_ = false;  // the end of the records that are streamed
  // The search for the last records, and the table as it was when the search began.
  struct Search {
    LastRecordsSearch last_records;
    TablePosition position;
  };
  std::optional<Search> search_;
};

}  // namespace walden
