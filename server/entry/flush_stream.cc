#include "server/entry/flush_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/call/request_checks.h"

namespace walden {

FlushStream::FlushStream(const ReadEnvironment& environment,
                         const grpc::CallbackServerContext& call, const grpc::ByteBuffer& request)
    : EntryStream(environment, Method::kFlush, call, v1::FlushResponse::kEntriesFieldNumber) {
  Begin(request, request_,
        [this] { return TakeRegionVersion(request_, marker_.batch.region_version); });
}

ChunkStream::Opening FlushStream::OpenNothing() {
  v1::FlushResponse response;
  response.mutable_state();
  AddMessage(response);
  return Opening::kNothing;
}

// Each step that must wait returns, and Open is called again after it.
absl::StatusOr<std::optional<ChunkStream::Opening>> FlushStream::OpenTable(
    const std::shared_ptr<RegionActor>& actor, const std::shared_ptr<entry::EntryTable>& table,
    std::unique_ptr<ReadSession>& session) {
  actor_ = actor;
  table_ = table;
  if (flush_id_ == 0) {
    const auto plan = table->PlanFlush();
    if (!plan.has_value()) return std::nullopt;
    if (plan->nothing) return OpenNothing();
    // With a region version the marker is always appended, so that a fenced writer is refused.
    if (plan->reuse == 0 || request_.has_region_version()) return AppendMarker();
    flush_id_ = plan->reuse;
  }
  absl::StatusOr<std::optional<entry::PageView>> view = table->BeginFlush(flush_id_);
  if (!view.ok()) return view.status();
  if (!view->has_value()) return std::nullopt;
  state_.set_flush_id(flush_id_);
  state_.set_entry_count((*view)->entries);
  state_.set_entry_bytes((*view)->data_bytes);
  v1::FlushResponse response;
  *response.mutable_state() = state_;
  AddMessage(response);
  session = Walk(actor, table, **std::move(view), entry::CursorRange{});
  return Opening::kSession;
}

absl::StatusOr<std::optional<ChunkStream::Opening>> FlushStream::AppendMarker() {
  AppendBatch& batch = marker_.batch;
  batch.tables.resize(1);
  batch.tables.front().table = request_.table_id();
  batch.tables.front().payloads = {entry::FlushMarker()};
  batch.durability = Durability::kSync;
  batch.kind = TableKind::kEntries;
  marker_.payload_bytes = entry::FlushMarker().size();
  if (!actor_->Post(&marker_)) return ReadSession::ClosedError(*actor_);
  return Opening::kLater;
}

void FlushStream::AfterMarker() {
  const AppendResult& result = marker_.batch.result;
  const bool no_room = HasReason(result.status, ErrorReason::kDiskFull) ||
                       HasReason(result.status, ErrorReason::kDiskReserve) ||
                       HasReason(result.status, ErrorReason::kQuotaExceeded);
  // A store flushes to free disk space, so a flush must work without any. With a region_version
  // only the marker can show whether the writer is fenced.
  if (no_room && !request_.has_region_version()) {
    const std::optional<SequenceNumber> sealed = table_->SealUnmarked();
    sealed_through_ = sealed.value_or(0);
    if (sealed_through_ != 0 && actor_->Post(&instead_)) return;
  }
  if (result.status.ok()) flush_id_ = marker_.batch.tables.front().first;
  Resume(actor_, result.status);
}

void FlushStream::AfterSync() {
  if (instead_.result.ok()) flush_id_ = sealed_through_;
  Resume(actor_, instead_.result);
}

absl::Status FlushStream::FinishRecords(const ReadSession*) {
  if (entries() != state_.entry_count() || bytes() != state_.entry_bytes()) {
    return absl::InternalError(absl::StrCat("flush ", state_.flush_id(), " announced ",
                                            state_.entry_count(), " entries and streamed ",
                                            entries(), "; do not finalize it"));
  }
  v1::FlushResponse response;
  v1::FlushSummary* const summary = response.mutable_summary();
  summary->set_flush_id(state_.flush_id());
  summary->set_entry_count(entries());
  summary->set_entry_bytes(bytes());
  AddMessage(response);
  if (table_ != nullptr) table_->FlushConsumed(state_.flush_id());
  return absl::OkStatus();
}

}  // namespace walden
