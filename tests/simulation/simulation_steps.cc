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

}  // namespace

absl::Status Simulation::Append(Region& region) {
  for (auto& [id, next] : region.producers) next = region.model.ExpectedOfProducer(id);
  std::vector<Batch> group(random_.Percent(60) ? 1 : random_.Between(2, 6));
  for (Batch& batch : group) batch = RandomBatch(region);
  for (const Batch& batch : group) NoteBatch(region, batch);
  absl::Status status = Commit(region, group);
  if (status.ok() && !disk_.crashed() && random_.Percent(region.wide() ? 2 : 10)) {
    status = region.model.CompareOpen(region.log());
  }
  return status;
}

void Simulation::NoteBatch(const Region& region, const Batch& batch) {
  Note(absl::StrCat("region ", region.name(), " ", Show(batch)));
}

absl::Status Simulation::Commit(Region& region, const std::vector<Batch>& group) {
  return Do(region, std::make_shared<Operation>(
                        Operation{.kind = Operation::Kind::kCommit, .group = group}));
}

// As when the region has been idle for a while.
absl::Status Simulation::NoteDurable(Region& region) {
  return Do(region, std::make_shared<Operation>(Operation{.kind = Operation::Kind::kNoteDurable}));
}

absl::Status Simulation::Sync(Region& region) {
  return Do(region, std::make_shared<Operation>(Operation{.kind = Operation::Kind::kSync}));
}

absl::Status Simulation::Reopen(Region& region) {
  absl::Status status = CloseForReopening(region);
  if (!status.ok() || disk_.crashed()) return status;
  return OpenExisting(region);
}

absl::Status Simulation::CloseForReopening(Region& region) {
  absl::Status status =
      Do(region, std::make_shared<Operation>(Operation{.kind = Operation::Kind::kClose}));
  region.writer.reset();
  return status;
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
