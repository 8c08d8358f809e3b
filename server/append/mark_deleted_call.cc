#include "server/append/mark_deleted_call.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "server/call/region_to_proto.h"
#include "server/call/request_checks.h"
#include "server/call/time_to_proto.h"
#include "server/region/read_session.h"
#include "server/region/region_actor.h"

namespace walden {

MarkDeletedCall::MarkDeletedCall(const AppendEnvironment& environment,
                                 const grpc::CallbackServerContext& call,
                                 const v1::MarkDeletedRequest& request,
                                 v1::MarkDeletedResponse* response)
    : environment_(environment),
      call_(environment.admission, Method::kMarkDeleted, call),
      request_(request),
      response_(response) {
  const absl::StatusOr<EnteredRegion> entered =
      call_.EnterRegion(request.namespace_id(), request.region_id());
  absl::Status status = entered.status();
  if (status.ok()) status = CheckRequest();
  if (status.ok()) status = TakeRegionVersion(request, region_version);
  if (!status.ok()) {
    Finish(call_.End(status));
    return;
  }
  key_ = entered->key;
  engine_ = entered->ns->engine.get();
  MarkNext();
}

absl::Status MarkDeletedCall::CheckRequest() const {
  const uint64_t count = request_.marks_size();
  if (count == 0) return InvalidField("marks", "0", "must hold at least one");
  if (count > environment_.limits.max_marks) {
    return OverLimit("marks", "the limit of a call", count, environment_.limits.max_marks);
  }
  absl::flat_hash_set<TableId> seen;
  for (int i = 0; i < request_.marks_size(); ++i) {
    const v1::TableMark& mark = request_.marks(i);
    const std::string field = absl::StrCat("marks[", i, "]");
    if (!seen.insert(mark.table_id()).second) {
      return InvalidField(field + ".table_id", absl::StrCat(mark.table_id()),
                          "is there twice: a table has one mark");
    }
    if (mark.mark_case() == v1::TableMark::MARK_NOT_SET) {
      return InvalidField(field, "", "must have through_sequence or before_time");
    }
    if (!mark.has_before_time()) continue;
    absl::Status status = CheckTime(mark.before_time(), field + ".before_time");
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void MarkDeletedCall::MarkNext() {
  marks.clear();
  bool has_times = false;
  for (; end_ < request_.marks_size() && marks.size() < kMaxMarks; ++end_) {
    const v1::TableMark& mark = request_.marks(end_);
    marks.push_back({mark.table_id(), mark.through_sequence()});
    has_times |= mark.has_before_time();
  }
  if (!has_times) {
    environment_.registry.Submit(key_, this);
    return;
  }
  environment_.registry.Find(key_, [this](absl::StatusOr<std::shared_ptr<RegionActor>> actor) {
    // Not here: looking for a time may read the log.
    environment_.readers.Post([this, actor = std::move(actor)] { SubmitToAsked(actor); });
  });
}

void MarkDeletedCall::SubmitToAsked(const absl::StatusOr<std::shared_ptr<RegionActor>>& actor) {
  absl::Status status = actor.status();
  if (status.ok() && *actor != nullptr) status = FindNumbers((*actor)->log());
  if (status.ok() && *actor != nullptr) {
    // To the region that was asked, and no other: one that was dropped and made again has its own
    // numbers.
    if ((*actor)->Post(this)) return;
    status = ReadSession::ClosedError(**actor);
  }
  if (!status.ok()) {
    Finish(call_.End(status));
    return;
  }
  environment_.registry.Submit(key_, this);
}

// Replaces times by numbers.
absl::Status MarkDeletedCall::FindNumbers(const ReadableLog& log) {
  const int begin = end_ - static_cast<int>(marks.size());
  for (size_t i = 0; i < marks.size(); ++i) {
    const v1::TableMark& asked = request_.marks(begin + static_cast<int>(i));
    if (!asked.has_before_time()) continue;
    const absl::StatusOr<SequenceNumber> first =
        log.FirstSince(marks[i].table, TimeOf(asked.before_time()));
    if (!first.ok()) {
      return WithMetadata(first.status(), "table_id", absl::StrCat(marks[i].table));
    }
    marks[i].through = std::max<SequenceNumber>(*first, 1) - 1;
  }
  return absl::OkStatus();
}

void MarkDeletedCall::OnAnswered() {
  absl::Status status = result.status();
  for (size_t i = 0; status.ok() && i < marks.size(); ++i) {
    v1::TableMarkResult* const marked = response_->add_results();
    marked->set_table_id(marks[i].table);
    FillPosition(positions.empty() ? engine_->PositionInAbsentRegion(marks[i].table) : positions[i],
                 marked->mutable_position());
  }
  if (status.ok() && end_ < request_.marks_size()) {
    status = call_.Abandoned();
    if (status.ok()) {
      // Not from here: marks of a region that does not exist are answered at once.
      environment_.readers.Post([this] { MarkNext(); });
      return;
    }
  }
  Finish(call_.End(status));
}

}  // namespace walden
