#include "tests/support/memory_engine/memory_log.h"

#include <algorithm>
#include <utility>

#include "tests/support/memory_engine/memory_log_core.h"

namespace walden {

absl::StatusOr<std::unique_ptr<RegionLog>> MemoryLog::Open(Environment environment) {
  auto core = std::make_shared<MemoryLogCore>(std::move(environment));
  std::unique_ptr<RegionLog> log(new MemoryLog(core));
  const absl::Status status = core->Open();
  if (!status.ok()) return status;
  return log;
}

MemoryLog::MemoryLog(std::shared_ptr<MemoryLogCore> core) : core_(std::move(core)) {}

MemoryLog::~MemoryLog() { core_->Detach(); }

CommitPolicy MemoryLog::commit_policy() const {
  const MemoryLog::Environment& environment = core_->environment();
  return {.max_under_way = std::max<size_t>(environment.options.max_commits_under_way, 1),
          .worthwhile_bytes = 0,
          .linger = environment.linger};
}

void MemoryLog::Commit(absl::Span<AppendBatch* const> group, std::function<void()> done) {
  auto commit = MemoryCommit(group, std::move(done));
  commit->fault = core_->region().Begun(group.size());
  core_->Begin(std::move(commit));
}

void MemoryLog::OpenProducer(std::optional<uint64_t> region_version, DoneWith<uint64_t> done) {
  core_->Begin(MemoryOpenProducer(region_version, std::move(done)));
}

void MemoryLog::MarkDeleted(std::vector<TableMark> marks, std::optional<uint64_t> region_version,
                            DoneWith<std::vector<SequenceNumber>> done) {
  core_->Begin(MemoryMarkDeleted(std::move(marks), region_version, std::move(done)));
}

void MemoryLog::RestoreMark(TableId table, SequenceNumber deleted_through, TableKind kind,
                            Done done) {
  core_->Begin(MemoryRestoreMark(table, deleted_through, kind, std::move(done)));
}

void MemoryLog::RestoreNext(TableId table, SequenceNumber next, Done done) {
  core_->Begin(MemoryRestoreNext(table, next, std::move(done)));
}

void MemoryLog::Sync(Done done) {
  core_->Begin(MemorySync(
      [this] {
        core_->region().Synced();
        return absl::OkStatus();
      },
      std::move(done)));
}

void MemoryLog::NoteDurable(Done done) {
  core_->Begin(MemorySync(
      [this] {
        core_->region().Noted();
        return absl::OkStatus();
      },
      std::move(done)));
}

void MemoryLog::Acquire(const AcquireRequest& request, Done done) {
  core_->Begin(MemoryAlone([this, request] { return core_->Acquire(request); }, std::move(done)));
}

void MemoryLog::Release(Done done) {
  if (core_->environment().owns_by_opening) return RegionLog::Release(std::move(done));
  core_->Begin(MemoryAlone([this] { return core_->Release(); }, std::move(done)));
}

void MemoryLog::Close(Done done) {
  core_->Begin(MemoryAlone([this] { return core_->Close(); }, std::move(done)));
}

bool MemoryLog::Work() { return core_->Work(); }

absl::Status MemoryLog::Health() const { return core_->Health(); }

Ownership MemoryLog::ownership() const {
  return {.is_owner = core_->IsOwner(),
          .owner = core_->region().OwnerBeside(core_->environment().identity)};
}

bool MemoryLog::HasUnsynced() const { return core_->IsOwner() && core_->region().unsynced(); }

bool MemoryLog::HasUnnoted() const { return core_->IsOwner() && core_->region().HasUnnoted(); }

RegionUsage MemoryLog::Usage() const {
  return core_->view().Usage(core_->environment().wall_clock->UnixMicros());
}

absl::StatusOr<RetentionPlan> MemoryLog::PlanRetention(const RetentionLimits& limits,
                                                       absl::Time now) const {
  return core_->view().PlanRetention(limits, now);
}

absl::Status MemoryLog::Verify(absl::FunctionRef<bool(const VerifyProgress&)> report) const {
  core_->region().Verified();
  core_->view().Verify(report);
  return absl::OkStatus();
}

TablePosition MemoryLog::Position(TableId table) const { return core_->view().Position(table); }

absl::StatusOr<std::unique_ptr<LogReader>> MemoryLog::NewReader(const ReadRange& range) const {
  return core_->view().NewReader(range);
}

std::unique_ptr<TableCut> MemoryLog::CutTables() const { return core_->view().CutTables(); }

RegionPage MemoryLog::DescribePage(const DescribeCursor& from, size_t limit) const {
  return core_->view().DescribePage(from, limit);
}

absl::StatusOr<SequenceNumber> MemoryLog::FirstSince(TableId table, absl::Time time) const {
  const std::function<void()> in_first_since = core_->region().in_first_since();
  if (in_first_since) in_first_since();
  return core_->view().FirstSince(table, absl::ToUnixMicros(time));
}

}  // namespace walden
