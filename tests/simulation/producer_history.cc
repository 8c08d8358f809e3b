#include "tests/simulation/producer_history.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/wait.h"
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
      is_crowded_(random_.Percent(4)) {}

RegionOptions ProducerHistory::Options() {
  return {.buffered_sync_every_writes = static_cast<uint32_t>(random_.Between(1, 1000)),
          .segment_size_bytes = kSegmentBytes};
}

absl::Status ProducerHistory::Run() {
  RETURN_IF_WRONG(region_.Create(Options()));
  RETURN_IF_WRONG(OpenProducers());
  for (uint64_t cycles = random_.Between(2, 4); cycles > 0; --cycles) {
    RETURN_IF_WRONG(Use());
    if (region_.GoDown(/*may_close=*/!call_failed_)) EverythingIsDurable();
    RETURN_IF_WRONG(OpenAndCompare());
  }
  return absl::OkStatus();
}

absl::Status ProducerHistory::OpenProducers() {
  const uint64_t count = is_crowded_ ? kMaxProducersPerRegion - random_.Below(3) : kProducers;
  for (uint64_t i = 0; i < count; ++i) RETURN_IF_WRONG(OpenProducer());
  return is_crowded_ ? CommitOfMany() : absl::OkStatus();
}

absl::Status ProducerHistory::OpenProducer() {
  const auto id = OpenProducerAndWait(region_.log(), std::nullopt);
  if (!id.ok()) {
    ++perhaps_issued_;
    return Failed(id.status());
  }
  if (!producers_.empty() && *id <= producers_.back().id()) {
    return Wrong("producer id ", *id, " does not rise");
  }
  producers_.emplace_back(*id, moment_);
  return absl::OkStatus();
}

// Some of many producers send a batch each.
absl::Status ProducerHistory::CommitOfMany() {
  std::vector<AnsweredBatches*> senders;
  // The older half may be forgotten once there are more than a region remembers.
  const bool all = producers_.size() <= kMaxProducersPerRegion;
  for (size_t i = all ? 0 : producers_.size() / 2; i < producers_.size(); ++i) {
    if (random_.Percent(20)) senders.push_back(&producers_[i]);
  }
  region_.Note(absl::StrCat(senders.size(), " of ", producers_.size(), " producers send"));
  return Commit(senders, random_.Percent(50) ? 100 : 0);
}

absl::Status ProducerHistory::OpenAndCompare() {
  RETURN_IF_WRONG(region_.OpenAgain(Options()));
  if (random_.Percent(20)) {
    region_.LoseUnsynced();
    RETURN_IF_WRONG(region_.OpenAgain(Options()));
  }
  for (AnsweredBatches& producer : producers_) {
    absl::Status status =
        producer.CompareReopened(region_.log(), region_.lost_power(), call_failed_, is_crowded_);
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
  for (uint64_t rounds = random_.Below(25); rounds > 0 && !call_failed_; --rounds) {
    RETURN_IF_WRONG(Commit());
    if (!call_failed_ && random_.Percent(30)) RETURN_IF_WRONG(MarkTables());
    if (!call_failed_ && random_.Percent(20)) RETURN_IF_WRONG(ReplaceMetadata());
    if (!call_failed_ && is_crowded_ && random_.Percent(30)) RETURN_IF_WRONG(OpenProducer());
    if (!call_failed_ && is_crowded_ && random_.Percent(5)) RETURN_IF_WRONG(CommitOfMany());
    if (!call_failed_ && random_.Percent(10)) RETURN_IF_WRONG(Sync());
  }
  return absl::OkStatus();
}

// One of them sends most.
AnsweredBatches& ProducerHistory::RandomProducer() {
  const uint64_t choice = random_.Percent(70) ? 0 : random_.Below(kProducers);
  // The newest ones are not forgotten so soon.
  return is_crowded_ ? producers_[producers_.size() - 1 - choice] : producers_[choice];
}

absl::Status ProducerHistory::Commit() {
  const uint64_t sync_percent = random_.Percent(30) ? random_.Percent(70) ? 100 : 30 : 0;
  std::vector<AnsweredBatches*> senders;
  for (uint64_t n = random_.Between(1, random_.Percent(30) ? 200 : 10); n > 0; --n) {
    senders.push_back(&RandomProducer());
  }
  return Commit(senders, sync_percent);
}

absl::Status ProducerHistory::Commit(const std::vector<AnsweredBatches*>& senders,
                                     uint64_t sync_percent) {
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
  const std::vector<BatchResult> results = CommitGroup(region_.log(), group);
  bool durable = false;
  for (size_t i = 0; i < group.size(); ++i) {
    if (!results[i].status.ok()) RETURN_IF_WRONG(Failed(results[i].status));
    RETURN_IF_WRONG(senders[i]->Answered(group[i], results[i]));
    durable |= results[i].status.ok() && results[i].durable;
  }
  region_.Note(absl::StrCat("group of ", group.size(), " batches", versions ? " with versions" : "",
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

absl::Status ProducerHistory::MarkTables() {
  const bool all = random_.Percent(60);
  region_.Note(all ? "mark all records deleted" : "mark some records deleted");
  for (TableId table = 1; table <= kProducerTables && !call_failed_; ++table) {
    if (random_.Percent(20)) continue;
    const SequenceNumber last = region_.log().Position(table).next - 1;
    const SequenceNumber through = all ? last : random_.Between(last / 2, last);
    const auto answer = MarkTable(region_.log(), table, through);
    if (!answer.ok()) RETURN_IF_WRONG(Failed(answer.status()));
  }
  return absl::OkStatus();
}

absl::Status ProducerHistory::ReplaceMetadata() {
  const uint64_t versions = kind_ == SimulatedEngine::kSegment ? kVersions : 3;
  region_.Note(absl::StrCat("raise the region's version ", versions, " times"));
  for (uint64_t i = 0; i < versions && !call_failed_; ++i) {
    const absl::Status status = Fence(region_.log(), ++version_);
    if (!status.ok()) RETURN_IF_WRONG(Failed(status));
  }
  return absl::OkStatus();
}

absl::Status ProducerHistory::Sync() {
  const absl::Status status = SyncAndWait(region_.log());
  region_.Note(absl::StrCat("sync -> ", ShowStatus(status)));
  if (!status.ok()) return Failed(status);
  EverythingIsDurable();
  return absl::OkStatus();
}

void ProducerHistory::EverythingIsDurable() {
  for (AnsweredBatches& producer : producers_) producer.EverythingIsDurable();
}

}  // namespace walden::testing
