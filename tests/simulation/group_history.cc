#include "tests/simulation/group_history.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

constexpr TableId kGroupTables = 4;
constexpr uint64_t kLargestPayloadBytes = 300 << 10;

}  // namespace

GroupHistory::GroupHistory(uint64_t seed, bool every_operation,
                           std::function<void(const std::string&)> observe)
    : random_(seed),
      region_(&random_, SimulatedEngine::kSegment, every_operation, std::move(observe)),
      harm_(&region_, &random_),
      answered_(kGroupTables),
      large_(random_.Percent(25)),
      segment_bytes_(large_ ? uint64_t{8} << 20 : (uint64_t{64} << 10) << random_.Below(6)),
      zeros_(random_.Percent(25)),
      max_commits_(size_t{1} << random_.Below(4)) {}

RegionOptions GroupHistory::Options() {
  return {.recovery_policy = RecoveryPolicy::kQuarantine,
          .buffered_sync_every_writes =
              static_cast<uint32_t>(random_.Between(1, random_.Percent(50) ? 20 : 200)),
          .max_commits_under_way = max_commits_,
          .segment_size_bytes = segment_bytes_};
}

absl::Status GroupHistory::Run() {
  RETURN_IF_WRONG(region_.Create(Options()));
  for (uint64_t cycles = random_.Between(2, 6); cycles > 0; --cycles) {
    RETURN_IF_WRONG(Use());
    if (region_.GoDown(/*may_close=*/!call_failed_ && !is_cut_)) answered_.EverythingIsDurable();
    const uint64_t harms = random_.Percent(60) ? random_.Between(1, 2) : 0;
    for (uint64_t i = 0; i < harms; ++i) harm_.HarmSomething();
    RETURN_IF_WRONG(OpenAndCompare());
    if (random_.Percent(50)) {
      region_.LoseUnsynced();
      RETURN_IF_WRONG(OpenAndCompare());
    }
  }
  return absl::OkStatus();
}

absl::Status GroupHistory::OpenAndCompare() {
  RETURN_IF_WRONG(region_.OpenAgain(Options()));
  const AnsweredRecords::Events events{
      .lost_power = region_.lost_power(),
      .opening_was_cut = region_.opening_was_cut(),
      .call_failed = call_failed_,
      .harmed = harm_.any_new(),
      .may_have_cost = [this](const std::string& p) { return harm_.MayHaveCost(p); },
      .harm_may_look_torn = zeros_};
  RETURN_IF_WRONG(answered_.CompareReopened(region_.log(), events));
  region_.Forget();
  harm_.ForgetNew();
  call_failed_ = false;
  return absl::OkStatus();
}

absl::Status GroupHistory::Use() {
  harm_.SetCommitting(true);
  if (random_.Percent(15)) region_.ArmCrash(60);
  left_ = random_.Below(large_ ? 4 : 20);
  CheckedPipeline pipeline(&region_, &random_, max_commits_, [this] { BeginNext(); });
  pipeline_ = &pipeline;
  while (left_ > 0 && !call_failed_ && pipeline.wrong().ok()) {
    if (random_.Percent(2)) {
      region_.Note("a write or a sync is about to fail");
      region_.disk().Inject({.operations = file_op::kSync | file_op::kWrite,
                             .nth = random_.Between(1, 4),
                             .error_number = random_.Percent(50) ? EIO : ENOSPC});
    }
    BeginNext();
    while (random_.Percent(60) && pipeline.Step()) {
    }
  }
  left_ = 0;
  while (!random_.Percent(10) && pipeline.Step()) {
  }
  harm_.SetCommitting(false);
  pipeline_ = nullptr;
  is_cut_ = !pipeline.empty();
  if (is_cut_) region_.Note("some operations are not answered");
  return is_cut_ ? pipeline.Abandon() : pipeline.Drain();
}

void GroupHistory::BeginNext() {
  if (left_ == 0 || call_failed_ || !pipeline_->CanBegin()) return;
  const uint64_t choice = random_.Below(100);
  if (choice < 8) return BeginNoteDurable();
  if (choice < 12) return BeginSync();
  if (choice < 18) return BeginMark();
  if (!pipeline_->CanBeginCommit()) return;
  --left_;
  BeginCommit();
}

std::string GroupHistory::RandomPayload() {
  const uint64_t largest = std::min(kLargestPayloadBytes, segment_bytes_ / 8);
  const uint64_t bytes = random_.Below(random_.Percent(large_ ? 40 : 20) ? largest : 3000);
  if (random_.Percent(5)) return "";
  std::string payload = random_.NonZeroBytes(HarmedWrites::kMarkBytes);
  if (zeros_ && random_.Percent(70)) return payload.append(bytes, '\0');
  return payload + random_.NonZeroBytes(bytes);
}

std::vector<Batch> GroupHistory::RandomGroup() {
  const bool few = random_.Percent(large_ ? 30 : 90);
  std::vector<Batch> group(few ? random_.Between(1, 6) : random_.Between(7, large_ ? 25 : 60));
  const bool may_sync = random_.Percent(50);
  for (Batch& batch : group) {
    batch.table = random_.Between(1, kGroupTables);
    batch.durability = may_sync && random_.Percent(70) ? Durability::kSync : Durability::kBuffered;
    for (uint64_t n = random_.Between(1, 3); n > 0; --n) batch.payloads.push_back(RandomPayload());
    if (random_.Percent(25)) AddTables(batch);
  }
  return group;
}

// Makes it a batch over several tables.
void GroupHistory::AddTables(Batch& batch) {
  const uint64_t first = random_.Below(kGroupTables);
  const uint64_t tables = random_.Between(2, kGroupTables);
  for (uint64_t i = 0; i < tables; ++i) {
    const TableId table = 1 + (first + i) % kGroupTables;
    if (table == batch.table) continue;
    batch.more.push_back({.table = table, .payloads = {RandomPayload()}});
    if (random_.Percent(30)) batch.more.back().payloads.push_back(random_.NonZeroBytes(50));
  }
}

void GroupHistory::BeginCommit() {
  auto commit = std::make_shared<Operation>(Operation{.group = RandomGroup()});
  region_.Note(absl::StrCat("a group of ", commit->group.size(), " batches is begun"));
  pipeline_->Begin(commit, [this, before = answered_.durable_through()](const Operation& done) {
    return CheckCommit(done, before);
  });
}

absl::Status GroupHistory::CheckCommit(const Operation& commit, SequenceNumber durable_before) {
  if (!commit.answered) {
    answered_.NeverAnswered(commit.group);
    return absl::OkStatus();
  }
  const std::vector<BatchResult>& results = commit.results;
  size_t failed = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].status.ok()) continue;
    ++failed;
    if (!region_.MayFail()) {
      return Wrong("batch ", i, " failed, but nothing else: ", ShowStatus(results[i].status));
    }
  }
  region_.Note(absl::StrCat("group of ", results.size(), " batches -> ", results[0].first, "..",
                            results.back().last, failed > 0 ? ", some failed" : ""));
  call_failed_ |= failed > 0;
  return answered_.Answered(commit.group, results, durable_before);
}

void GroupHistory::BeginNoteDurable() {
  pipeline_->Begin(std::make_shared<Operation>(Operation{.kind = Operation::Kind::kNoteDurable}),
                   [this](const Operation& done) {
                     call_failed_ |= done.answered && !done.status.ok();
                     return absl::OkStatus();
                   });
}

void GroupHistory::BeginSync() {
  pipeline_->Begin(std::make_shared<Operation>(Operation{.kind = Operation::Kind::kSync}),
                   [this](const Operation& done) {
                     if (!done.answered) return absl::OkStatus();
                     region_.Note(absl::StrCat("sync -> ", ShowStatus(done.status)));
                     if (done.status.ok()) answered_.EverythingIsDurable();
                     call_failed_ |= !done.status.ok();
                     return absl::OkStatus();
                   });
}

void GroupHistory::BeginMark() {
  const TableId table = random_.Between(1, kGroupTables);
  const SequenceNumber through = random_.Between(1, region_.log().Position(table).next);
  pipeline_->Begin(std::make_shared<Operation>(
                       Operation{.kind = Operation::Kind::kMark, .marks = {{table, through}}}),
                   [this, table, through](const Operation& done) {
                     if (!done.answered) return absl::OkStatus();
                     const absl::Status status = done.made.status();
                     region_.Note(absl::StrCat("table ", table, " marked deleted through ", through,
                                               " -> ", ShowStatus(status)));
                     if (status.ok()) answered_.Marked(table, done.made->front());
                     call_failed_ |= !status.ok();
                     return status.ok() || region_.MayFail() ? absl::OkStatus() : status;
                   });
}

}  // namespace walden::testing
