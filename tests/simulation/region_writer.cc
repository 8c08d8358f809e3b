#include "tests/simulation/region_writer.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/region/mailbox_job.h"
#include "server/statistics/statistics.h"
#include "tests/simulation/log_of_policy.h"
#include "tests/simulation/log_pipeline.h"

namespace walden::testing {
namespace {

class LogWriter final : public RegionWriter {
 public:
  LogWriter(std::unique_ptr<RegionLog> log, size_t max_commits, std::function<void()> on_answer)
      : log_(std::move(log)), pipeline_(log_.get(), max_commits, std::move(on_answer)) {}

  const RegionLog& log() const override { return *log_; }
  bool is_direct() const override { return true; }
  bool CanBegin() const override { return pipeline_.CanBegin(); }
  bool CanBeginCommit() const override { return pipeline_.CanBeginCommit(); }
  void Begin(std::shared_ptr<Operation> operation) override {
    pipeline_.Begin(std::move(operation));
  }
  bool Step() override { return pipeline_.Step(); }

 private:
  const std::unique_ptr<RegionLog> log_;
  LogPipeline pipeline_;
};

// A job that counts how often it was answered.
template <typename Job>
class CountedJob final : public Job {
 public:
  explicit CountedJob(std::function<void()> on_answer) : on_answer_(std::move(on_answer)) {}

  void OnAnswered() override {
    if (++answers_ == 1) on_answer_();
  }
  int answers() const { return answers_; }

 private:
  const std::function<void()> on_answer_;
  int answers_ = 0;
};

class ActorWriter final : public RegionWriter, private ActorHost {
 public:
  ActorWriter(RegionId region, std::unique_ptr<RegionLog> log, size_t max_commits,
              RandomExecutor* executor, Random* random, std::function<void()> on_answer)
      : executor_(executor),
        random_(random),
        on_answer_(std::move(on_answer)),
        leaders_(static_cast<int>(random->Between(1, 2))) {
    ActorOptions options;
    options.key.region = region;
    options.max_group_bytes = random->Percent(50) ? uint64_t{4} << 20 : 2000;
    const CommitPolicy policy{
        .max_under_way = max_commits,
        .worthwhile_bytes = random->Percent(70) ? 0 : random->Between(1, 2000),
        .linger = absl::ZeroDuration()};
    auto log_of_policy = std::make_unique<LogOfPolicy>(std::move(log), policy);
    log_ = log_of_policy.get();
    actor_ = std::make_shared<RegionActor>(
        options, std::move(log_of_policy),
        ActorEnvironment{
            .executor = executor, .host = this, .statistics = &statistics_, .leaders = &leaders_});
  }

  const RegionLog& log() const override { return actor_->log(); }
  bool is_direct() const override { return false; }
  bool CanBegin() const override { return !is_posting_; }
  bool CanBeginCommit() const override { return CanBegin(); }
  bool Step() override { return executor_->RunOne(); }

  void Begin(std::shared_ptr<Operation> operation) override {
    is_posting_ = true;
    PostJobs(operation);
    is_posting_ = false;
  }

  absl::Status CheckAnswers() const override {
    for (const auto& answers : answers_) {
      if (answers() > 1) return absl::InternalError("a job was answered twice");
    }
    if (log_->was_misused()) return absl::InternalError("the actor does not keep to the policy");
    return absl::OkStatus();
  }

 private:
  void OnUnsynced(std::shared_ptr<RegionActor>) override { unsynced_ = true; }
  void OnUnnoted(std::shared_ptr<RegionActor>) override { unnoted_ = true; }
  void OnFailed(const RegionKey&, const absl::Status&) override {}

  void PostJobs(const std::shared_ptr<Operation>& operation) {
    switch (operation->kind) {
      case Operation::Kind::kCommit:
        return BeginCommit(operation);
      case Operation::Kind::kMark: {
        auto* job = NewJob<MarkDeletedJob>(
            [operation](const MarkDeletedJob& done) { operation->made = done.result; }, operation);
        job->marks = operation->marks;
        job->region_version = operation->region_version;
        return Post(job);
      }
      case Operation::Kind::kOpenProducer: {
        auto* job = NewJob<OpenProducerJob>(
            [operation](const OpenProducerJob& done) { operation->id = done.result; }, operation);
        job->region_version = operation->region_version;
        return Post(job);
      }
      case Operation::Kind::kFence: {
        auto* job = NewJob<FenceJob>(
            [operation](const FenceJob& done) { operation->status = done.result; }, operation);
        job->region_version = *operation->region_version;
        return Post(job);
      }
      case Operation::Kind::kSync:
        return Post(NewJob<SyncJob>(
            [operation](const SyncJob& done) { operation->status = done.result; }, operation));
      case Operation::Kind::kNoteDurable:
        return Post(NewJob<NoteDurableJob>([](const NoteDurableJob&) {}, operation));
      case Operation::Kind::kClose:
        actor_->Close([this, operation](const absl::Status& status) {
          operation->status = status;
          Answered(*operation);
        });
        return;
    }
  }

  void Answered(Operation& operation) {
    operation.answered = true;
    on_answer_();
  }

  // Jobs live as long as the writer, to see that none is answered twice.
  template <typename Job>
  CountedJob<Job>* KeepJob(std::function<void()> on_answer) {
    const auto job = std::make_shared<CountedJob<Job>>(std::move(on_answer));
    answers_.push_back([job] { return job->answers(); });
    return job.get();
  }

  // A job that is all of the operation. `take` takes its result.
  template <typename Job>
  CountedJob<Job>* NewJob(std::function<void(const Job&)> take,
                          const std::shared_ptr<Operation>& operation) {
    const auto made = std::make_shared<CountedJob<Job>*>(nullptr);
    *made = KeepJob<Job>([this, made, take = std::move(take), operation] {
      take(**made);
      Answered(*operation);
    });
    return *made;
  }

  void BeginCommit(const std::shared_ptr<Operation>& operation) {
    operation->results.resize(operation->group.size());
    const auto unanswered = std::make_shared<size_t>(operation->group.size());
    for (size_t i = 0; i < operation->group.size(); ++i) {
      const auto made = std::make_shared<AppendJob*>(nullptr);
      *made = KeepJob<AppendJob>([this, made, unanswered, operation, i] {
        operation->results[i] = ResultOf((*made)->batch);
        if (--*unanswered == 0) Answered(*operation);
      });
      Fill(operation->group[i], **made);
      Post(*made);
      if (random_->Percent(20)) PostTimed();
    }
  }

  // As the daemon does some time after it was asked to.
  void PostTimed() {
    if (std::exchange(unsynced_, false)) actor_->PostTimedSync();
    if (random_->Percent(50) && std::exchange(unnoted_, false)) actor_->PostNoteDurable();
  }

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
  const std::function<void()> on_answer_;
  Statistics statistics_;
  LeaderSlots leaders_;
  bool is_posting_ = false;  // the jobs of an operation
  bool unsynced_ = false;
  bool unnoted_ = false;
  std::vector<std::function<int()>> answers_;  // of each job
  const LogOfPolicy* log_ = nullptr;           // of actor_
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

std::unique_ptr<RegionWriter> WriteToLog(std::unique_ptr<RegionLog> log, size_t max_commits,
                                         std::function<void()> on_answer) {
  return std::make_unique<LogWriter>(std::move(log), max_commits, std::move(on_answer));
}

std::unique_ptr<RegionWriter> WriteThroughActor(RegionId region, std::unique_ptr<RegionLog> log,
                                                size_t max_commits, RandomExecutor* executor,
                                                Random* random, std::function<void()> on_answer) {
  return std::make_unique<ActorWriter>(region, std::move(log), max_commits, executor, random,
                                       std::move(on_answer));
}

}  // namespace walden::testing
