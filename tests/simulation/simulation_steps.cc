// The steps of a simulation on a running engine.
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/simulation/simulation.h"

namespace walden::testing {
namespace {

std::string Show(const Batch& batch) {
  std::string line = absl::StrCat(batch.durability == Durability::kSync ? "SYNC" : "BUFFERED",
                                  " table ", batch.table, " ", batch.payloads.size(), " records");
  uint64_t bytes = 0;
  for (const std::string& payload : batch.payloads) bytes += payload.size();
  absl::StrAppend(&line, " ", bytes, " bytes");
  for (const BatchPart& part : batch.more) {
    absl::StrAppend(&line, ", table ", part.table, " ", part.payloads.size(), " records");
    if (part.expected_next_sequence) {
      absl::StrAppend(&line, " expects ", *part.expected_next_sequence);
    }
  }
  if (batch.producer) {
    absl::StrAppend(&line, " producer ", batch.producer->id, "/", batch.producer->sequence);
  }
  if (batch.expected_next_sequence) {
    absl::StrAppend(&line, " expects ", *batch.expected_next_sequence);
  }
  if (batch.region_version) absl::StrAppend(&line, " version ", *batch.region_version);
  return line;
}

std::string Show(const BatchResult& result) {
  if (!result.status.ok()) return ShowStatus(result.status);
  std::string numbers = absl::StrCat(result.first, "..", result.last);
  for (const PartResult& part : result.more) {
    absl::StrAppend(&numbers, ", ", part.first, "..", part.last);
  }
  return absl::StrCat(numbers, result.durable ? " durable" : "",
                      result.duplicate ? " duplicate" : "");
}

}  // namespace

absl::Status Simulation::Append(Region& region) {
  for (auto& [id, next] : region.producers) next = region.model.ExpectedOfProducer(id);
  std::vector<Batch> group(random_.Percent(60) ? 1 : random_.Between(2, 6));
  for (Batch& batch : group) batch = RandomBatch(region);
  for (const Batch& batch : group) Note(absl::StrCat("region ", region.name(), " ", Show(batch)));
  absl::Status status = Commit(region, group);
  if (status.ok() && !disk_.crashed() && random_.Percent(region.wide() ? 2 : 10)) {
    status = region.model.CompareOpen(region.log());
  }
  return status;
}

absl::Status Simulation::Commit(Region& region, const std::vector<Batch>& group) {
  for (const Batch& batch : group) {
    absl::Status status = region.model.FollowNext(region.log(), batch.table);
    for (const BatchPart& part : batch.more) {
      if (status.ok()) status = region.model.FollowNext(region.log(), part.table);
    }
    if (!status.ok()) return status;
  }
  region.model.SetTime(wall_clock_.UnixMicros(), latest_micros_);
  const auto results = region.writer->Commit(group);
  if (!results.ok()) return results.status();
  if (group.size() <= 6) {
    for (const BatchResult& result : *results) Note(absl::StrCat("  -> ", Show(result)));
  }
  absl::Status status =
      region.model.CheckCommit(group, region.writer->one_group(), *results,
                               region.options.segment_size_bytes, TroubleOf(region));
  if (status.ok()) status = CheckGiven(region, *results, group);
  // Buffered batches of a group may have been made durable without the answer saying so.
  if (status.ok() && !disk_.crashed() && region.log().Health().ok() &&
      !region.log().HasUnsynced()) {
    region.model.EverythingIsDurable();
  }
  return status;
}

// As when the region has been idle for a while.
absl::Status Simulation::NoteDurable(Region& region) {
  const absl::Status status = region.writer->NoteDurable();
  Note(absl::StrCat("region ", region.name(), " notes what is durable -> ", ShowStatus(status)));
  const Trouble trouble = TroubleOf(region);
  const bool excused = trouble.failed || (trouble.disk_full && absl::IsResourceExhausted(status));
  return status.ok() || excused ? absl::OkStatus() : status;
}

absl::Status Simulation::Sync(Region& region) {
  const absl::Status status = region.writer->Sync();
  Note(absl::StrCat("region ", region.name(), " sync -> ", ShowStatus(status)));
  if (status.ok()) {
    if (region.model.has_failed())
      return absl::InternalError("a failed region acknowledged a sync");
    region.model.EverythingIsDurable();
    return absl::OkStatus();
  }
  return TroubleOf(region).failed ? absl::OkStatus() : status;
}

absl::Status Simulation::Reopen(Region& region) {
  absl::Status status = CloseForReopening(region);
  if (!status.ok() || disk_.crashed()) return status;
  return OpenExisting(region);
}

absl::Status Simulation::CloseForReopening(Region& region) {
  const absl::Status status = region.writer->Close();
  Note(absl::StrCat("region ", region.name(), " close -> ", ShowStatus(status)));
  if (!status.ok() && !TroubleOf(region).failed) return status;
  if (status.ok() && !region.model.has_failed() && !TroubleOf(region).failed) {
    region.model.EverythingIsDurable();
  }
  region.writer.reset();
  return absl::OkStatus();
}

void Simulation::InjectFault() {
  constexpr FileOps kKinds[] = {file_op::kWrite,         file_op::kSync,
                                file_op::kSync,          file_op::kCreate | file_op::kAllocate,
                                file_op::kRename,        file_op::kRemove,
                                file_op::kSyncDirectory, file_op::kChanges};
  Fault fault;
  fault.operations = kKinds[random_.Below(8)];
  fault.nth = random_.Between(1, 8);
  const bool takes_space = fault.operations == (file_op::kCreate | file_op::kAllocate);
  fault.error_number = takes_space && random_.Percent(70) ? ENOSPC : EIO;
  if (fault.operations == file_op::kSyncDirectory && random_.Percent(50)) {
    fault.error_number = EMFILE;
  }
  Note(absl::StrCat("fault ", fault.error_number, " for operations ", fault.operations, " at the ",
                    fault.nth, ". from now"));
  disk_.Inject(fault);
}

void Simulation::LiftLimits() {
  disk_.ClearFaults();
  disk_.SetCapacity(UINT64_MAX);
  disk_limited_ = false;
}

void Simulation::FillOrEmptyDisk() {
  const bool fill = random_.Percent(60);
  disk_limited_ = fill;
  disk_.SetCapacity(fill ? disk_.UsedBytes() + random_.Below(40000) : UINT64_MAX);
  Note(fill ? "the disk fills up" : "the disk has room");
  if (!fill) return;
  for (Region& region : regions_) region.disk_was_full = true;
}

}  // namespace walden::testing
