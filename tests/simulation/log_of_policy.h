// A log that asks for another dispatch of commits than the log below it, so that small groups are worth
// a commit of their own, and that notices when its caller does not keep to it. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/log_engine.h"

namespace walden::testing {

class LogOfPolicy final : public RegionLog {
 public:
  LogOfPolicy(std::unique_ptr<RegionLog> log, const CommitPolicy& policy)
      : log_(std::move(log)), policy_(policy) {}

  CommitPolicy commit_policy() const override { return policy_; }

  // Whether more commits were under way than may be, or an operation was begun after Close.
  bool was_misused() const { return was_misused_; }

  void Commit(absl::Span<AppendBatch* const> group, std::function<void()> done) override {
    was_misused_ |= commits_ >= policy_.max_under_way || is_closing_;
    ++commits_;
    log_->Commit(group, [this, done = std::move(done)] {
      --commits_;
      done();
    });
  }
  void OpenProducer(std::optional<uint64_t> region_version, DoneWith<uint64_t> done) override {
    log_->OpenProducer(region_version, std::move(done));
  }
  void MarkDeleted(std::vector<TableMark> marks, std::optional<uint64_t> region_version,
                   DoneWith<std::vector<SequenceNumber>> done) override {
    log_->MarkDeleted(std::move(marks), region_version, std::move(done));
  }
  void RestoreMark(TableId table, SequenceNumber deleted_through, TableKind kind,
                   Done done) override {
    log_->RestoreMark(table, deleted_through, kind, std::move(done));
  }
  void RestoreNext(TableId table, SequenceNumber next, Done done) override {
    log_->RestoreNext(table, next, std::move(done));
  }
  void Sync(Done done) override { log_->Sync(std::move(done)); }
  void NoteDurable(Done done) override { log_->NoteDurable(std::move(done)); }
  void Close(Done done) override {
    was_misused_ |= commits_ > 0 || is_closing_;
    is_closing_ = true;
    log_->Close(std::move(done));
  }
  bool Work() override { return log_->Work(); }
  absl::Status Health() const override { return log_->Health(); }
  bool HasUnsynced() const override { return log_->HasUnsynced(); }
  bool HasUnnoted() const override { return log_->HasUnnoted(); }
  RegionUsage Usage() const override { return log_->Usage(); }
  absl::StatusOr<RetentionPlan> PlanRetention(const RetentionLimits& limits,
                                              absl::Time now) const override {
    return log_->PlanRetention(limits, now);
  }
  absl::Status Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const override {
    return log_->Verify(report);
  }
  SequenceNumber NextNumber(TableId table) const override { return log_->NextNumber(table); }
  TablePosition Position(TableId table) const override { return log_->Position(table); }
  absl::StatusOr<std::unique_ptr<LogReader>> NewReader(const ReadRange& range) const override {
    return log_->NewReader(range);
  }
  RegionPage DescribePage(const DescribeCursor& from, size_t limit) const override {
    return log_->DescribePage(from, limit);
  }
  std::unique_ptr<TableCut> CutTables() const override { return log_->CutTables(); }
  absl::StatusOr<SequenceNumber> FirstSince(TableId table, absl::Time time) const override {
    return log_->FirstSince(table, time);
  }

 private:
  const std::unique_ptr<RegionLog> log_;
  const CommitPolicy policy_;
  size_t commits_ = 0;  // under way
  bool is_closing_ = false;
  bool was_misused_ = false;
};

}  // namespace walden::testing
