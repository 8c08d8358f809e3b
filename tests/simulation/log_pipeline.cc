#include "tests/simulation/log_pipeline.h"

#include <utility>
#include <vector>

namespace walden::testing {

void LogPipeline::Answered(Operation& operation) {
  operation.answered = true;
  on_answer_();
}

RegionLog::Done LogPipeline::StatusInto(std::shared_ptr<Operation> operation) {
  return [this, operation = std::move(operation)](const absl::Status& status) {
    operation->status = status;
    Answered(*operation);
  };
}

void LogPipeline::BeginCommit(std::shared_ptr<Operation> operation) {
  struct Group {
    std::vector<AppendBatch> batches;
    std::vector<AppendBatch*> pointers;
  };
  ++commits_;
  const auto group = std::make_shared<Group>();
  for (const Batch& batch : operation->group) group->batches.push_back(EngineBatch(batch));
  for (AppendBatch& batch : group->batches) group->pointers.push_back(&batch);
  log_->Commit(group->pointers, [this, group, operation = std::move(operation)] {
    for (const AppendBatch& batch : group->batches) operation->results.push_back(ResultOf(batch));
    --commits_;
    Answered(*operation);
  });
}

void LogPipeline::Begin(std::shared_ptr<Operation> operation) {
  is_beginning_ = true;
  switch (operation->kind) {
    case Operation::Kind::kCommit:
      BeginCommit(std::move(operation));
      break;
    case Operation::Kind::kMark: {
      std::vector<TableMark> marks = operation->marks;
      log_->MarkDeleted(std::move(marks), operation->region_version, [this, operation](auto made) {
        operation->made = std::move(made);
        Answered(*operation);
      });
      break;
    }
    case Operation::Kind::kOpenProducer:
      log_->OpenProducer(operation->region_version, [this, operation](auto id) {
        operation->id = id;
        Answered(*operation);
      });
      break;
    case Operation::Kind::kFence:
      // As the daemon's FenceRegion does.
      log_->MarkDeleted({}, operation->region_version, [this, operation](const auto& made) {
        operation->status = made.status();
        Answered(*operation);
      });
      break;
    case Operation::Kind::kSync:
      log_->Sync(StatusInto(std::move(operation)));
      break;
    case Operation::Kind::kNoteDurable:
      log_->NoteDurable(StatusInto(std::move(operation)));
      break;
    case Operation::Kind::kClose:
      log_->Close(StatusInto(std::move(operation)));
      break;
  }
  is_beginning_ = false;
}

}  // namespace walden::testing
