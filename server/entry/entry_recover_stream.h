// EntryService.Recover: streams all entries that were put and not finalized, in the order of their
// puts.
#pragma once

#include "absl/types/span.h"
#include "server/entry/entry_stream.h"
#include "walden/v1/entry.pb.h"

namespace walden {

class EntryRecoverStream final : public EntryStream {
 public:
  EntryRecoverStream(const ReadEnvironment& environment, const grpc::CallbackServerContext& call,
                     const grpc::ByteBuffer& request);

 private:
  TableId TableOf() const override { return request_.table_id(); }
  absl::StatusOr<std::optional<Opening>> OpenTable(const std::shared_ptr<RegionActor>& actor,
                                                   const std::shared_ptr<entry::EntryTable>& table,
                                                   std::unique_ptr<ReadSession>& session) override;
  Opening OpenNothing() override;
  absl::Status FinishRecords(const ReadSession* session) override;
  void AddState(absl::Span<const SequenceNumber> flushes);

  v1::EntryServiceRecoverRequest request_;
  v1::EntryLogState state_;
};

}  // namespace walden
