// Flush: seals the entries that were put, makes them durable by a marker in the log, and streams
// all entries that are not finalized.
#pragma once

#include "server/entry/entry_stream.h"
#include "server/region/mailbox_job.h"
#include "walden/v1/entry.pb.h"

namespace walden {

class FlushStream final : public EntryStream {
 public:
  FlushStream(const ReadEnvironment& environment, const grpc::CallbackServerContext& call,
              const grpc::ByteBuffer& request);

 private:
  // The append of the marker, and the sync that replaces it when the disk has no room for it.
  class MarkerJob final : public AppendJob {
   public:
    explicit MarkerJob(FlushStream* stream) : stream_(stream) {}
    void OnAnswered() override { stream_->AfterMarker(); }

   private:
    FlushStream* const stream_;
  };
  class InsteadOfMarkerJob final : public SyncJob {
   public:
    explicit InsteadOfMarkerJob(FlushStream* stream) : stream_(stream) {}
    void OnAnswered() override { stream_->AfterSync(); }

   private:
    FlushStream* const stream_;
  };

  TableId TableOf() const override { return request_.table_id(); }
  absl::StatusOr<std::optional<Opening>> OpenTable(const std::shared_ptr<RegionActor>& actor,
                                                   const std::shared_ptr<entry::EntryTable>& table,
                                                   std::unique_ptr<ReadSession>& session) override;
  Opening OpenNothing() override;
  absl::Status FinishRecords(const ReadSession* session) override;

  absl::StatusOr<std::optional<Opening>> AppendMarker();
  void AfterMarker();
  void AfterSync();

  v1::FlushRequest request_;
  v1::FlushState state_;
  // The region and the table that are flushed. Kept because the registry may drop them meanwhile.
  std::shared_ptr<RegionActor> actor_;
  std::shared_ptr<entry::EntryTable> table_;
  MarkerJob marker_{this};
  InsteadOfMarkerJob instead_{this};
  SequenceNumber sealed_through_ = 0;
  SequenceNumber flush_id_ = 0;  // 0: not decided yet
};

}  // namespace walden
