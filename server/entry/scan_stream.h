// Scan: streams the newest entry of each key of a range.
#pragma once

#include "engine/entry/entry_cursor.h"
#include "server/entry/entry_read_environment.h"
#include "server/entry/entry_stream.h"
#include "walden/v1/entry.pb.h"

namespace walden {

class ScanStream final : public EntryStream {
 public:
  ScanStream(const EntryReadEnvironment& environment, const grpc::CallbackServerContext& call,
             const grpc::ByteBuffer& request);

 private:
  TableId TableOf() const override { return request_.table_id(); }
  absl::StatusOr<std::optional<Opening>> OpenTable(const std::shared_ptr<RegionActor>& actor,
                                                   const std::shared_ptr<entry::EntryTable>& table,
                                                   std::unique_ptr<ReadSession>& session) override;
  absl::Status FinishRecords(const ReadSession* session) override;

  const WallClock& wall_clock_;
  v1::ScanRequest request_;
  entry::CursorRange range_;
};

}  // namespace walden
