#include "tests/simulation/producer_history.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

constexpr TableId kProducerTables = 3;
constexpr uint64_t kProducers = 3;
constexpr uint64_t kSegmentBytes = 32 << 10;
// More than fill the metadata's 64 KiB, at 512 bytes or more each.
constexpr uint64_t kVersions = 160;

}  // namespace

ProducerHistory::ProducerHistory(uint64_t seed, SimulatedEngine engine, bool every_operation,
                                 std::function<void(const std::string&)> observe)
    : random_(seed),
      kind_(engine),
      region_(&random_, engine, every_operation, std::move(observe)),
      is_crowded_(random_.Percent(4)),
      max_commits_(size_t{1} << random_.Below(4)) {}

RegionOptions ProducerHistory::Options() {
  return {.buffered_sync_every_writes = static_cast<uint32_t>(random_.Between(1, 1000)),
          .max_commits_under_way = max_commits_,
          .segment_size_bytes = kSegmentBytes};
}

absl::Status ProducerHistory::Run() {
  RETURN_IF_WRONG(region_.Create(Options()));
  RETURN_IF_WRONG(OpenProducers());
  for (uint64_t cycles = random_.Between(2, 4); cycles > 0; --cycles) {
    RETURN_IF_WRONG(Use());
    if (region_.GoDown(/*may_close=*/!call_failed_ && !is_cut_)) EverythingIsDurable();
    RETURN_IF_WRONG(OpenAndCompare());
  }
  return absl::OkStatus();
}

absl::Status ProducerHistory::OpenProducers() {
  const uint64_t count = is_crowded_ ? kMaxProducersPerRegion - random_.Below(3) : kProducers;
  CheckedPipeline pipeline(&region_, &random_, max_commits_, [] {});
  pipeline_ = &pipeline;
  for (uint64_t i = 0; i < count; ++i) BeginOpenProducer();
  RETURN_IF_WRONG(pipeline.Drain());
  if (is_crowded_) BeginCommitOfMany();
  return pipeline.Drain();
}

void ProducerHistory::Begin(Operation operation, CheckedPipeline::Check check) {
  pipeline_->Begin(std::make_shared<Operation>(std::move(operation)), std::move(check));
}

void ProducerHistory::BeginOpenProducer() {
  ++being_issued_;
  Begin({.kind = Operation::Kind::kOpenProducer}, [this, moment = moment_](const Operation& done) {
    --being_issued_;
    if (!done.answered || !done.id.ok()) {
      ++perhaps_issued_;
      return done.answered ? Failed(done.id.status()) : absl::OkStatus();
    }
    if (!producers_.empty() && *done.id <= producers_.back().id()) {
      return Wrong("producer id ", *done.id, " does not rise");
    }
    producers_.emplace_back(*done.id, moment);
    return absl::OkStatus();
  });
}

// Some of many producers send a batch each.
void ProducerHistory::BeginCommitOfMany() {
  std::vector<AnsweredBatches*> senders;
  // The older half may be forgotten once there are more than a region remembers.
  const bool all = producers_.size() + being_issued_ + perhaps_issued_ <= kMaxProducersPerRegion;
  for (size_t i = all ? 0 : producers_.size() / 2; i < producers_.size(); ++i) {
    if (random_.Percent(20)) senders.push_back(&producers_[i]);
  }
  region_.Note(absl::StrCat(senders.size(), " of ", producers_.size(), " producers send"));
  BeginCommit(senders, random_.Percent(50) ? 100 : 0);
}

absl::Status ProducerHistory::OpenAndCompare() {
  RETURN_IF_WRONG(region_.OpenAgain(Options()));
  if (random_.Percent(20)) {
    region_.LoseUnsynced();
    RETURN_IF_WRONG(region_.OpenAgain(Options()));
  }
  for (AnsweredBatches& producer : producers_) {
    absl::Status status =
        producer.CompareReopened(region_.log(), {.lost_power = region_.lost_power(),
                                                 .call_failed = call_failed_,
                                                 .may_be_forgotten = is_crowded_});
    if (!status.ok()) return Wrong("producer ", producer.id(), ": ", status.message());
  }
  RETURN_IF_WRONG(CheckForgotten());
  region_.Forget();
  call_failed_ = false;
  return absl::OkStatus();
}

// As many are forgotten as were issued beyond what a region remembers, the least recently active
// ones.
absl::Status ProducerHistory::CheckForgotten() const {
  uint64_t forgotten = 0;
  uint64_t forgotten_active = 0;
  uint64_t remembered_active = UINT64_MAX;
  for (const AnsweredBatches& producer : producers_) {
    forgotten += producer.is_forgotten();
    if (producer.is_forgotten()) {
      forgotten_active = std::max(forgotten_active, producer.last_active());
    } else {
      remembered_active = std::min(remembered_active, producer.latest_active());
    }
  }
  const uint64_t room = kMaxProducersPerRegion;
  const uint64_t least = std::max<uint64_t>(producers_.size(), room) - room;
  const uint64_t most = std::max<uint64_t>(producers_.size() + perhaps_issued_, room) - room;
  if (forgotten < least || forgotten > most) {
    return Wrong(forgotten, " producers are forgotten, not ", least, "..", most);
  }
  if (forgotten_active <= remembered_active) return absl::OkStatus();
  return Wrong("a producer that was active at ", forgotten_active, " is forgotten, one of ",
               remembered_active, " is not");
}

absl::Status ProducerHistory::Use() {
  if (random_.Percent(20)) region_.ArmCrash(300);
  if (random_.Percent(50)) {
    const uint64_t nth = random_.Between(1, 300);
    region_.Note(absl::StrCat("a change fails, the ", nth, ". from now"));
    region_.disk().Inject({.operations = file_op::kSync | file_op::kWrite | file_op::kRename |
                                         file_op::kSyncDirectory,
                           .nth = nth});
  }
  CheckedPipeline pipeline(&region_, &random_, max_commits_, [this] { BeginNext(); });
  pipeline_ = &pipeline;
  left_ = random_.Below(50);
  // In some histories each operation is done before the next one is begun.
  const uint64_t step_percent = random_.Percent(30) ? 100 : 60;
  while (left_ > 0 && !call_failed_ && pipeline.wrong().ok()) {
    BeginNext();
    while (random_.Percent(step_percent) && pipeline.Step()) {
    }
  }
  left_ = 0;
  while (!random_.Percent(10) && pipeline.Step()) {
  }
  pipeline_ = nullptr;
  is_cut_ = !pipeline.empty();
  if (is_cut_) region_.Note("some operations are not answered");
  return is_cut_ ? pipeline.Abandon() : pipeline.Drain();
}

void ProducerHistory::BeginNext() {
  if (left_ == 0 || call_failed_ || !pipeline_->CanBegin()) return;
  --left_;
  const uint64_t choice = random_.Below(100);
  if (choice < 16) return BeginMarks();
  if (choice < 26) return BeginReplacingMetadata();
  if (choice < 31) return BeginSync();
  if (is_crowded_ && choice < 45) return BeginOpenProducer();
  if (!pipeline_->CanBeginCommit()) return;
  if (is_crowded_ && choice < 48) return BeginCommitOfMany();
  BeginCommit();
}

// One of them sends most.
AnsweredBatches& ProducerHistory::RandomProducer() {
  const uint64_t choice = random_.Percent(70) ? 0 : random_.Below(kProducers);
  // The newest ones are not forgotten so soon.
  return is_crowded_ ? producers_[producers_.size() - 1 - choice] : producers_[choice];
}

void ProducerHistory::BeginCommit() {
  const uint64_t sync_percent = random_.Percent(30) ? random_.Percent(70) ? 100 : 30 : 0;
  std::vector<AnsweredBatches*> senders;
  for (uint64_t n = random_.Between(1, random_.Percent(30) ? 200 : 10); n > 0; --n) {
    senders.push_back(&RandomProducer());
  }
  BeginCommit(senders, sync_percent);
}

void ProducerHistory::BeginCommit(const std::vector<AnsweredBatches*>& senders,
                                  uint64_t sync_percent) {
  if (senders.empty()) return;
  const bool versions = random_.Percent(10);
  std::vector<Batch> group;
  for (AnsweredBatches* const sender : senders) {
    const bool sync = random_.Percent(sync_percent);
    Batch batch{.table = random_.Between(1, kProducerTables),
                .durability = sync ? Durability::kSync : Durability::kBuffered};
    // Few without records, to pass over the number.
    if (!random_.Percent(4)) {
      batch.payloads = {random_.NonZeroBytes(random_.Below(random_.Percent(10) ? 2000 : 20))};
    }
    if (!batch.payloads.empty() && random_.Percent(25)) AddTables(batch);
    if (versions) batch.region_version = ++version_;
    // Numbers that are passed over are stored at the moment of the batch before.
    if (!batch.payloads.empty()) ++moment_;
    group.push_back(sender->Next(std::move(batch), moment_));
  }
  region_.Note(absl::StrCat("a group of ", group.size(), " batches",
                            versions ? " with versions" : "", " is begun"));
  Begin({.group = std::move(group)},
        [this, senders](const Operation& done) { return CheckCommit(done, senders); });
}

absl::Status ProducerHistory::CheckCommit(const Operation& commit,
                                          const std::vector<AnsweredBatches*>& senders) {
  if (!commit.answered) return absl::OkStatus();
  bool durable = false;
  for (size_t i = 0; i < commit.group.size(); ++i) {
    const BatchResult& result = commit.results[i];
    if (!result.status.ok()) RETURN_IF_WRONG(Failed(result.status));
    RETURN_IF_WRONG(senders[i]->Answered(commit.group[i], result));
    if (result.status.ok() && call_failed_) return Wrong("a batch is stored after one that failed");
    durable |= result.status.ok() && result.durable;
  }
  region_.Note(absl::StrCat("group of ", commit.group.size(), " batches",
                            durable ? ", durable" : "", call_failed_ ? ", some failed" : ""));
  if (durable) EverythingIsDurable();
  return absl::OkStatus();
}

void ProducerHistory::AddTables(Batch& batch) {
  for (TableId table = 1; table <= kProducerTables; ++table) {
    if (table == batch.table || random_.Percent(40)) continue;
    BatchPart part{.table = table};
    for (uint64_t n = random_.Between(1, 3); n > 0; --n) {
      part.payloads.push_back(random_.NonZeroBytes(random_.Below(20)));
    }
    batch.more.push_back(std::move(part));
  }
}

absl::Status ProducerHistory::Failed(const absl::Status& status) {
  call_failed_ = true;
  if (region_.MayFail()) return absl::OkStatus();
  return Wrong("a call failed, but nothing below: ", ShowStatus(status));
}

void ProducerHistory::BeginMarks() {
  const bool all = random_.Percent(60);
  region_.Note(all ? "mark all records deleted" : "mark some records deleted");
  for (TableId table = 1; table <= kProducerTables; ++table) {
    if (random_.Percent(20)) continue;
    const SequenceNumber last = region_.log().Position(table).next - 1;
    const SequenceNumber through = all ? last : random_.Between(last / 2, last);
    Begin({.kind = Operation::Kind::kMark, .marks = {{table, through}}},
          [this](const Operation& done) {
            return done.answered && !done.made.ok() ? Failed(done.made.status()) : absl::OkStatus();
          });
  }
}

void ProducerHistory::BeginReplacingMetadata() {
  const uint64_t versions = kind_ == SimulatedEngine::kSegment ? kVersions : 3;
  region_.Note(absl::StrCat("raise the region's version ", versions, " times"));
  for (uint64_t i = 0; i < versions; ++i) {
    Begin({.kind = Operation::Kind::kFence, .region_version = ++version_},
          [this](const Operation& done) {
            return done.answered && !done.status.ok() ? Failed(done.status) : absl::OkStatus();
          });
  }
}

void ProducerHistory::BeginSync() {
  Begin({.kind = Operation::Kind::kSync}, [this](const Operation& done) {
    if (!done.answered) return absl::OkStatus();
    region_.Note(absl::StrCat("sync -> ", ShowStatus(done.status)));
    if (!done.status.ok()) return Failed(done.status);
    EverythingIsDurable();
    return absl::OkStatus();
  });
}

void ProducerHistory::EverythingIsDurable() {
  for (AnsweredBatches& producer : producers_) producer.EverythingIsDurable();
}

}  // namespace walden::testing
