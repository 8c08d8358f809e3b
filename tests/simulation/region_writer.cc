#include "tests/simulation/region_writer.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/wait.h"
#include "server/region/mailbox_job.h"
#include "server/statistics/statistics.h"

namespace walden::testing {
namespace {

class LogWriter final : public RegionWriter {
 public:
  explicit LogWriter(std::unique_ptr<RegionLog> log) : log_(std::move(log)) {}

  const RegionLog& log() const override { return *log_; }
  bool one_group() const override { return true; }
  absl::StatusOr<std::vector<BatchResult>> Commit(const std::vector<Batch>& batches) override {
    return CommitGroup(*log_, batches);
  }
  absl::StatusOr<uint64_t> OpenProducer(std::optional<uint64_t> version) override {
    return OpenProducerAndWait(*log_, version);
  }
  absl::StatusOr<std::vector<SequenceNumber>> MarkDeleted(
      const std::vector<TableMark>& marks, std::optional<uint64_t> version) override {
    return MarkDeletedAndWait(*log_, marks, version);
  }
  absl::Status Fence(uint64_t version) override { return testing::Fence(*log_, version); }
  absl::Status Sync() override { return SyncAndWait(*log_); }
  absl::Status NoteDurable() override { return NoteDurableAndWait(*log_); }
  absl::Status Close() override { return CloseAndWait(*log_); }

 private:
  const std::unique_ptr<RegionLog> log_;
};

// A job that counts how often it was answered.
template <typename Job>
class CountedJob final : public Job {
 public:
  void OnAnswered() override { ++answers_; }
  absl::Status CheckAnswered() const {
    if (answers_ == 1) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("a job was answered ", answers_, " times"));
  }

 private:
  int answers_ = 0;
};

class ActorWriter final : public RegionWriter, private ActorHost {
 public:
  ActorWriter(RegionId region, std::unique_ptr<RegionLog> log, RandomExecutor* executor,
              Random* random)
      : executor_(executor), random_(random) {
    ActorOptions options;
    options.key.region = region;
    options.max_group_bytes = random->Percent(50) ? uint64_t{4} << 20 : 2000;
    actor_ = std::make_shared<RegionActor>(
        options, std::move(log), ActorEnvironment{executor, this, &statistics_, &leaders_});
  }

  const RegionLog& log() const override { return actor_->log(); }
  bool one_group() const override { return false; }

  absl::StatusOr<std::vector<BatchResult>> Commit(const std::vector<Batch>& batches) override {
    std::vector<std::unique_ptr<CountedJob<AppendJob>>> jobs;
    for (const Batch& batch : batches) {
      jobs.push_back(std::make_unique<CountedJob<AppendJob>>());
      Fill(batch, *jobs.back());
      Post(jobs.back().get());
      if (unsynced_ && random_->Percent(20)) {
        unsynced_ = false;
        actor_->PostTimedSync();
      }
    }
    executor_->RunAll();
    std::vector<BatchResult> results;
    for (const auto& job : jobs) {
      if (absl::Status status = job->CheckAnswered(); !status.ok()) return status;
      results.push_back(ResultOf(job->batch));
    }
    return results;
  }

  absl::StatusOr<uint64_t> OpenProducer(std::optional<uint64_t> version) override {
    CountedJob<OpenProducerJob> job;
    job.region_version = version;
    Post(&job);
    executor_->RunAll();
    absl::Status status = job.CheckAnswered();
    return status.ok() ? job.result : status;
  }

  absl::StatusOr<std::vector<SequenceNumber>> MarkDeleted(
      const std::vector<TableMark>& marks, std::optional<uint64_t> version) override {
    CountedJob<MarkDeletedJob> job;
    job.marks = marks;
    job.region_version = version;
    Post(&job);
    executor_->RunAll();
    absl::Status status = job.CheckAnswered();
    return status.ok() ? job.result : status;
  }

  absl::Status Fence(uint64_t version) override {
    CountedJob<FenceJob> job;
    job.region_version = version;
    Post(&job);
    executor_->RunAll();
    absl::Status status = job.CheckAnswered();
    return status.ok() ? job.result : status;
  }

  absl::Status Sync() override {
    CountedJob<SyncJob> job;
    Post(&job);
    executor_->RunAll();
    absl::Status status = job.CheckAnswered();
    return status.ok() ? job.result : status;
  }

  absl::Status NoteDurable() override {
    actor_->PostNoteDurable();
    executor_->RunAll();
    return absl::OkStatus();
  }

  absl::Status Close() override {
    std::optional<absl::Status> closed;
    actor_->Close([&closed](const absl::Status& status) { closed = status; });
    executor_->RunAll();
    return closed.value_or(absl::InternalError("closing was never answered"));
  }

 private:
  void OnUnsynced(std::shared_ptr<RegionActor>) override { unsynced_ = true; }
  void OnFailed(const RegionKey&, const absl::Status&) override {}

  static void Fill(const Batch& from, AppendJob& job) {
    job.batch = EngineBatch(from);
    for (const BatchPart& part : PartsOf(from)) {
      for (const std::string& payload : part.payloads) job.payload_bytes += payload.size();
    }
  }

  // Sometimes the poster works the mailbox off itself, sometimes the executor gets to it at once.
  void Post(MailboxJob* job) {
    if (random_->Percent(30)) {
      LeadingTurn lead;
      actor_->Post(job, &lead);
      if (random_->Percent(80)) lead.Run(static_cast<int>(random_->Between(1, 3)));
    } else {
      actor_->Post(job);
    }
    if (random_->Percent(30)) executor_->RunOne();
  }

  RandomExecutor* const executor_;
  Random* const random_;
  Statistics statistics_;
  LeaderSlots leaders_{1};
  bool unsynced_ = false;
  std::shared_ptr<RegionActor> actor_;
};

}  // namespace

bool RandomExecutor::RunOne() {
  if (work_.empty()) return false;
  const size_t at = random_.Below(work_.size());
  const std::function<void()> work = std::move(work_[at]);
  work_.erase(work_.begin() + static_cast<std::ptrdiff_t>(at));
  work();
  return true;
}

std::unique_ptr<RegionWriter> WriteToLog(std::unique_ptr<RegionLog> log) {
  return std::make_unique<LogWriter>(std::move(log));
}

std::unique_ptr<RegionWriter> WriteThroughActor(RegionId region, std::unique_ptr<RegionLog> log,
                                                RandomExecutor* executor, Random* random) {
  return std::make_unique<ActorWriter>(region, std::move(log), executor, random);
}

}  // namespace walden::testing
