// Operations of a simulation: they are begun, also while others are under way, and their answers are
// checked by the model as they come.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/simulation/simulation.h"
#include "tests/simulation/wrong.h"

namespace walden::testing {
namespace {

std::string Show(const BatchResult& result) {
  if (!result.status.ok()) {
    return absl::StrCat(ShowStatus(result.status), result.may_be_stored ? ", may be stored" : "");
  }
  std::string numbers = absl::StrCat(result.first, "..", result.last);
  for (const PartResult& part : result.more) {
    absl::StrAppend(&numbers, ", ", part.first, "..", part.last);
  }
  return absl::StrCat(numbers, result.durable ? " durable" : "",
                      result.duplicate ? " duplicate" : "");
}

// Answers the operation with what is known of it when the machine goes down before the answer.
void AnswerUnknown(Operation& operation) {
  const absl::Status unknown =
      MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRegionFailed, "no answer");
  operation.results.assign(operation.group.size(), {});
  for (BatchResult& result : operation.results) {
    result.status = unknown;
    result.may_be_stored = true;
  }
  operation.made = unknown;
  operation.id = unknown;
  operation.status = unknown;
}

}  // namespace

// ---------------------------------------------------------------------------------------------------
// Beginning, and answers

bool Simulation::IsUnderWay(const Region& region, TableId table) {
  for (const UnderWay& item : region.under_way) {
    for (const Batch& batch : item.operation->group) {
      for (const BatchPart& part : PartsOf(batch)) {
        if (part.table == table) return true;
      }
    }
  }
  return false;
}

void Simulation::Begin(Region& region, std::shared_ptr<Operation> operation) {
  UnderWay begun{.operation = operation,
                 .begun = region.model.Now(wall_clock_.UnixMicros(), latest_micros_),
                 .ends_before = {}};
  region.model.Begun(operation->region_version);
  for (const Batch& batch : operation->group) {
    region.model.Begun(batch.region_version);
    for (const BatchPart& part : PartsOf(batch)) {
      // What is under way may show in the log before its answer.
      if (IsUnderWay(region, part.table)) continue;
      region.wrong.Update(region.model.FollowNext(region.log(), part.table));
    }
  }
  for (const TableMark& mark : operation->marks) {
    // An actor leaves out what is under way when it begins the mark.
    begun.ends_before.push_back(region.writer->is_direct() ? kMaxSequenceNumber
                                                           : region.model.Next(mark.table) - 1);
  }
  region.under_way.push_back(std::move(begun));
  region.writer->Begin(std::move(operation));
}

absl::Status Simulation::Do(Region& region, std::shared_ptr<Operation> operation) {
  Begin(region, std::move(operation));
  return Drain(region);
}

absl::Status Simulation::Drain(Region& region) {
  while (region.writer->Step()) {
  }
  region.wrong.Update(region.writer->CheckAnswers());
  if (!region.under_way.empty()) region.wrong.Update(Wrong("an operation was never answered"));
  return std::exchange(region.wrong, absl::OkStatus());
}

void Simulation::OnAnswer(Region& region) {
  while (!region.under_way.empty() && region.under_way.front().operation->answered) {
    const UnderWay answered = std::move(region.under_way.front());
    region.under_way.pop_front();
    region.wrong.Update(Check(region, answered, /*answered=*/true));
  }
  for (const UnderWay& other : region.under_way) {
    if (!other.operation->answered) continue;
    region.wrong.Update(Wrong("an operation was answered before one that was begun before it"));
  }
  if (pipeline_.region == &region && random_.Percent(20)) BeginNext(region);
}

// The machine is down.
void Simulation::EndOperations() {
  turns_.RunAll();
  for (Region& region : regions_) {
    if (region.under_way.empty()) continue;
    // The errors of the calls are answers too.
    while (random_.Percent(50) && region.writer->Step()) {
    }
    if (region.under_way.empty()) continue;
    Note(absl::StrCat("region ", region.name(), " has ", region.under_way.size(),
                      " operations under way"));
    for (const UnderWay& lost : std::exchange(region.under_way, {})) {
      AnswerUnknown(*lost.operation);
      region.wrong.Update(Check(region, lost, /*answered=*/false));
    }
  }
}

absl::Status Simulation::TakeWrong() {
  absl::Status wrong;
  for (Region& region : regions_) {
    wrong.Update(std::exchange(region.wrong, absl::OkStatus()));
  }
  return wrong;
}

// ---------------------------------------------------------------------------------------------------
// Checking answers

absl::Status Simulation::Check(Region& region, const UnderWay& item, bool answered) {
  const Operation& operation = *item.operation;
  const Trouble trouble = TroubleOf(region);
  const std::string name = absl::StrCat("region ", region.name());
  switch (operation.kind) {
    case Operation::Kind::kCommit:
      return CheckCommit(region, item, answered);
    case Operation::Kind::kMark:
      return CheckMarks(region, item);
    case Operation::Kind::kOpenProducer:
      Note(absl::StrCat(
          name, " open producer -> ",
          operation.id.ok() ? absl::StrCat(*operation.id) : ShowStatus(operation.id.status())));
      if (operation.id.ok()) region.producers[*operation.id] = 1;
      return region.model.CheckOpenProducer(operation.region_version, operation.id, trouble);
    case Operation::Kind::kFence:
      Note(absl::StrCat(name, " fence ", *operation.region_version, " -> ",
                        ShowStatus(operation.status)));
      return region.model.CheckFence(*operation.region_version, operation.status, trouble);
    case Operation::Kind::kSync:
      Note(absl::StrCat(name, " sync -> ", ShowStatus(operation.status)));
      if (!operation.status.ok()) return trouble.failed ? absl::OkStatus() : operation.status;
      if (region.model.has_failed()) return Wrong("a failed region acknowledged a sync");
      region.model.EverythingIsDurable();
      return absl::OkStatus();
    case Operation::Kind::kNoteDurable: {
      Note(absl::StrCat(name, " notes what is durable -> ", ShowStatus(operation.status)));
      const bool excused =
          trouble.failed || (trouble.disk_full && absl::IsResourceExhausted(operation.status));
      return operation.status.ok() || excused ? absl::OkStatus() : operation.status;
    }
    case Operation::Kind::kClose:
      Note(absl::StrCat(name, " close -> ", ShowStatus(operation.status)));
      if (!operation.status.ok()) return trouble.failed ? absl::OkStatus() : operation.status;
      if (!region.model.has_failed() && !trouble.failed) region.model.EverythingIsDurable();
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status Simulation::CheckCommit(Region& region, const UnderWay& item, bool answered) {
  const Operation& operation = *item.operation;
  if (operation.group.size() <= 6) {
    for (const BatchResult& result : operation.results) Note(absl::StrCat("  -> ", Show(result)));
  }
  absl::Status status =
      region.model.CheckCommit(operation.group, operation.results,
                               {.begun = item.begun,
                                .one_group = region.writer->is_direct(),
                                .answered = answered,
                                .segment_bytes = region.options.segment_size_bytes},
                               TroubleOf(region));
  if (status.ok()) status = CheckGiven(region, operation.results, operation.group);
  // Buffered batches of a group may have been made durable without the answer saying so.
  if (status.ok() && !disk_.crashed() && region.log().Health().ok() &&
      !region.log().HasUnsynced()) {
    region.model.EverythingIsDurable();
  }
  return status;
}

absl::Status Simulation::CheckMarks(Region& region, const UnderWay& item) {
  const Operation& operation = *item.operation;
  const Trouble trouble = TroubleOf(region);
  for (size_t i = 0; i < operation.marks.size(); ++i) {
    const TableMark& mark = operation.marks[i];
    const absl::StatusOr<SequenceNumber> answer =
        operation.made.ok() ? absl::StatusOr<SequenceNumber>((*operation.made)[i])
                            : operation.made.status();
    Note(absl::StrCat("region ", region.name(), " table ", mark.table, " mark deleted through ",
                      mark.through, " -> ",
                      answer.ok() ? absl::StrCat(*answer) : ShowStatus(answer.status())));
    RETURN_IF_WRONG(region.model.CheckMark(region.log(), mark, operation.region_version,
                                           item.ends_before[i], answer, trouble));
  }
  return absl::OkStatus();
}

// ---------------------------------------------------------------------------------------------------
// Pipelines

absl::Status Simulation::Pipeline(Region& region, bool may_go_down) {
  for (auto& [id, next] : region.producers) next = region.model.ExpectedOfProducer(id);
  pipeline_ = {.region = &region,
               .left = random_.Between(2, region.writer->is_direct() ? 14 : 25),
               .closes = may_go_down && random_.Percent(15),
               .may_go_down = may_go_down,
               .step_percent = random_.Percent(50) ? 40 : uint64_t{5},
               .commit_percent = random_.Percent(50) ? 70 : uint64_t{97},
               .expect_percent = random_.Percent(60) ? 12 : uint64_t{60}};
  Note(absl::StrCat("region ", region.name(), " pipeline of ", pipeline_.left, " operations, ",
                    region.options.max_commits_under_way, " commits at once",
                    region.writer->is_direct() ? "" : ", by the actor"));
  const bool is_segment = kind_ == SimulatedEngine::kSegment;
  if (may_go_down && random_.Percent(20)) ArmCrash(20);
  if (may_go_down && is_segment && random_.Percent(15)) InjectFault();
  // RocksDB may hold a lock of its own in a call.
  if (is_segment) disk_.SetMeanwhile([this] { Meanwhile(); });
  const auto goes_on = [&] { return region.wrong.ok() && !disk_.crashed(); };
  while (goes_on() && pipeline_.left > 0) StepOfPipeline(region);
  if (goes_on() && may_go_down && random_.Percent(15)) GoDown();
  while (goes_on() && region.writer->Step()) {
  }
  const bool closes = pipeline_.is_closing;
  EndPipeline();
  if (!goes_on()) return std::exchange(region.wrong, absl::OkStatus());
  RETURN_IF_WRONG(Drain(region));
  if (!closes) return absl::OkStatus();
  region.writer.reset();
  return OpenExisting(region);
}

void Simulation::EndPipeline() {
  disk_.SetMeanwhile(nullptr);
  pipeline_ = {};
}

void Simulation::StepOfPipeline(Region& region) {
  const uint64_t choice = random_.Below(100);
  if (choice < 90) {
    const bool steps = random_.Percent(pipeline_.step_percent);
    if (steps || !region.writer->CanBeginCommit()) {
      region.writer->Step();
    } else {
      BeginNext(region);
    }
  } else if (choice < 94) {
    if (random_.Percent(background_percent_)) background_.RunOne();
  } else if (choice < 98 && !region.wide()) {
    // Readers see what was answered, and nothing else.
    if (region.wrong.ok()) region.wrong = region.model.CompareOpen(region.log());
  } else if (pipeline_.may_go_down && choice == 99) {
    GoDown();
  }
}

// What another thread does while this one is in a call of the disk.
void Simulation::Meanwhile() {
  Region& region = *pipeline_.region;
  if (disk_.crashed() || !region.wrong.ok()) return;
  const uint64_t choice = random_.Below(100);
  if (choice < 20) {
    BeginNext(region);
  } else if (choice < 40) {
    region.writer->Step();
  } else if (choice == 40 && pipeline_.may_go_down) {
    GoDown();
  }
}

void Simulation::GoDown() {
  if (disk_.crashed()) return;
  if (random_.Percent(70)) {
    Note("power cut");
    disk_.PowerCut(RandomLoss());
  } else {
    Note("kill");
    disk_.Kill();
  }
}

void Simulation::BeginNext(Region& region) {
  if (pipeline_.left == 0 || !region.writer->CanBegin() || !region.wrong.ok()) return;
  const uint64_t choice = random_.Below(100);
  const bool is_commit = random_.Percent(pipeline_.commit_percent);
  if (is_commit && !region.writer->CanBeginCommit()) return;
  --pipeline_.left;
  auto operation = std::make_shared<Operation>();
  const uint64_t version = region.model.region_version();
  if (pipeline_.left == 0 && pipeline_.closes) {
    pipeline_.is_closing = true;
    operation->kind = Operation::Kind::kClose;
  } else if (is_commit) {
    operation->kind = Operation::Kind::kCommit;
    // An actor makes its groups itself, so a part of them may be answered.
    const bool has_one = !region.writer->is_direct() || random_.Percent(60);
    for (uint64_t n = has_one ? 1 : random_.Between(2, 4); n > 0; --n) {
      operation->group.push_back(RandomBatch(region));
    }
    for (const Batch& batch : operation->group) NoteBatch(region, batch);
  } else if (choice < 25) {
    operation->kind = Operation::Kind::kMark;
    const TableId table = random_.Between(1, region.tables);
    operation->marks = {{table, RandomMark(region, table)}};
    if (random_.Percent(10)) operation->region_version = version + random_.Below(2);
  } else if (choice < 37) {
    operation->kind = Operation::Kind::kOpenProducer;
    if (random_.Percent(10)) operation->region_version = version + random_.Below(2);
  } else if (choice < 50) {
    operation->kind = Operation::Kind::kFence;
    operation->region_version = std::max<uint64_t>(version + random_.Below(3), 1);
  } else if (choice < 77) {
    operation->kind = Operation::Kind::kSync;
  } else {
    operation->kind = Operation::Kind::kNoteDurable;
  }
  Begin(region, std::move(operation));
}

// The number that the table will have next when everything under way is done, if none of it is
// refused.
SequenceNumber Simulation::ExpectedNext(const Region& region, TableId table) const {
  const bool is_shared = kind_ == SimulatedEngine::kRocksdb;
  SequenceNumber next = is_shared ? region.log().Position(table).next : region.model.Next(table);
  SequenceNumber last = region.model.HighestAnswered();  // of all tables
  for (const UnderWay& item : region.under_way) {
    for (const Batch& batch : item.operation->group) {
      if (region.model.IsKnown(batch)) continue;
      for (const BatchPart& part : PartsOf(batch)) {
        last += part.payloads.size();
        if (part.table == table) next = is_shared ? next + part.payloads.size() : last + 1;
      }
    }
  }
  return next;
}

}  // namespace walden::testing
