// What a simulation does to a running engine.
#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "tests/simulation/simulation.h"

namespace walden::testing {
namespace {

std::string Show(const Batch& batch) {
  std::string line = absl::StrCat(batch.durability == Durability::kSync ? "SYNC" : "BUFFERED",
                                  " table ", batch.table, " ", batch.payloads.size(), " records");
  uint64_t bytes = 0;
  for (const std::string& payload : batch.payloads) bytes += payload.size();
  absl::StrAppend(&line, " ", bytes, " bytes");
  if (batch.producer) {
    absl::StrAppend(&line, " producer ", batch.producer->id, "/", batch.producer->sequence);
  }
  if (batch.expected_next_sequence) {
    absl::StrAppend(&line, " expects ", *batch.expected_next_sequence);
  }
  if (batch.region_version) absl::StrAppend(&line, " version ", *batch.region_version);
  return line;
}

std::string Show(const AppendResult& result) {
  if (!result.status.ok()) return ShowStatus(result.status);
  return absl::StrCat(result.first, "..", result.last, result.durable ? " durable" : "",
                      result.duplicate ? " duplicate" : "");
}

}  // namespace

std::string Simulation::RandomPayload(const Region& region) {
  const uint64_t segment = region.options.segment_size_bytes;
  if (zeros_in_payloads_ && random_.Percent(30)) {
    return std::string(random_.Between(1, 2000), '\0') + random_.NonZeroBytes(random_.Below(50));
  }
  switch (random_.Below(12)) {
    case 0:
      return "";
    case 1:
      return random_.NonZeroBytes(random_.Between(470, 530));
    case 2:
      return random_.NonZeroBytes(random_.Between(1, 3000));
    case 3:
      return random_.NonZeroBytes(random_.Between(1, segment / 2));
    case 4:
      return random_.NonZeroBytes(random_.Below(20) == 0 ? segment : 1000);
    default:
      return random_.NonZeroBytes(random_.Between(1, 60));
  }
}

Batch Simulation::RandomBatch(Region& region) {
  if (!region.tagged.empty() && random_.Percent(15)) {
    // A retry, mostly of something recent.
    const size_t age = random_.Below(std::min<size_t>(region.tagged.size(), 12));
    Batch batch = region.tagged[region.tagged.size() - 1 - age];
    batch.durability = random_.Percent(50) ? Durability::kSync : Durability::kBuffered;
    return batch;
  }
  Batch batch;
  batch.table = random_.Between(1, region.tables);
  batch.durability = random_.Percent(45) ? Durability::kSync : Durability::kBuffered;
  if (random_.Percent(5)) {
    batch.payloads = {""};
    return batch;
  }
  // The first payload makes the batch recognisable among those whose answer is lost.
  batch.payloads.push_back(random_.NonZeroBytes(16));
  const uint64_t more = random_.Percent(5) ? random_.Below(60) : random_.Below(4);
  for (uint64_t i = 0; i < more; ++i) batch.payloads.push_back(RandomPayload(region));
  if (random_.Percent(12)) {
    const SequenceNumber next = region.model.Next(batch.table);
    batch.expected_next_sequence = random_.Percent(70) ? next : next + random_.Between(1, 3) - 2;
  }
  if (random_.Percent(8)) {
    const uint64_t version = region.model.region_version();
    batch.region_version = version + random_.Below(3) - (version > 0 ? 1 : 0);
  }
  if (random_.Percent(40)) TagRandomly(region, batch);
  return batch;
}

// Mostly with the number that comes next, sometimes with one that skips or repeats some, rarely
// with an id that was never issued; sometimes without payloads, to pass over the number.
void Simulation::TagRandomly(Region& region, Batch& batch) {
  if (region.producers.empty()) return;
  auto producer = region.producers.begin();
  std::advance(producer, random_.Below(region.producers.size()));
  auto& [id, next] = *producer;
  const bool in_order = random_.Percent(88);
  if (in_order && random_.Percent(10)) {
    batch.payloads.clear();
    batch.expected_next_sequence.reset();
  }
  const uint64_t sequence = in_order ? next++ : random_.Between(next > 2 ? next - 2 : 1, next + 2);
  batch.producer = ProducerTag{random_.Percent(3) ? 1 : id, sequence};
  if (in_order) region.tagged.push_back(batch);
}

absl::Status Simulation::OpenProducer(Region& region) {
  std::optional<uint64_t> version;
  if (random_.Percent(10)) version = region.model.region_version() + random_.Below(2);
  const auto answer = region.writer->OpenProducer(version);
  Note(absl::StrCat("region ", region.id, " open producer -> ",
                    answer.ok() ? absl::StrCat(*answer) : ShowStatus(answer.status())));
  if (answer.ok()) region.producers[*answer] = 1;
  return region.model.CheckOpenProducer(version, answer, TroubleOf(region));
}

absl::Status Simulation::Append(Region& region) {
  for (auto& [id, next] : region.producers) next = region.model.ExpectedOfProducer(id);
  std::vector<Batch> group(random_.Percent(60) ? 1 : random_.Between(2, 6));
  for (Batch& batch : group) batch = RandomBatch(region);
  for (const Batch& batch : group) Note(absl::StrCat("region ", region.id, " ", Show(batch)));
  const auto results = region.writer->Commit(group);
  if (!results.ok()) return results.status();
  for (const AppendResult& result : *results) Note(absl::StrCat("  -> ", Show(result)));
  absl::Status status =
      region.model.CheckCommit(group, region.writer->one_group(), *results,
                               region.options.segment_size_bytes, TroubleOf(region));
  // Buffered batches of a group may have been made durable without the answer saying so.
  if (status.ok() && !disk_.crashed() && region.log().Health().ok() &&
      !region.log().HasUnsynced()) {
    region.model.EverythingIsDurable();
  }
  if (status.ok() && !disk_.crashed() && random_.Percent(10)) {
    status = region.model.CompareOpen(region.log());
  }
  return status;
}

absl::Status Simulation::Mark(Region& region) {
  const TableId table = random_.Between(1, region.tables);
  const SequenceNumber next = region.model.Next(table);
  SequenceNumber through = random_.Below(next + 3);
  if (random_.Percent(25)) through = kMaxSequenceNumber;
  if (random_.Percent(25)) through = next - 1;
  std::optional<uint64_t> version;
  if (random_.Percent(10)) version = region.model.region_version() + random_.Below(2);
  const auto answer = region.writer->MarkDeleted(table, through, version);
  Note(absl::StrCat("region ", region.id, " table ", table, " mark deleted through ", through,
                    " -> ", answer.ok() ? absl::StrCat(*answer) : ShowStatus(answer.status())));
  return region.model.CheckMark(region.log(), table, through, version, answer, TroubleOf(region));
}

// As when the region has been idle for a while.
absl::Status Simulation::NoteDurable(Region& region) {
  const absl::Status status = region.writer->NoteDurable();
  Note(absl::StrCat("region ", region.id, " notes what is durable -> ", ShowStatus(status)));
  const Trouble trouble = TroubleOf(region);
  const bool excused = trouble.failed || (trouble.disk_full && absl::IsResourceExhausted(status));
  return status.ok() || excused ? absl::OkStatus() : status;
}

absl::Status Simulation::Sync(Region& region) {
  const absl::Status status = region.writer->Sync();
  Note(absl::StrCat("region ", region.id, " sync -> ", ShowStatus(status)));
  if (status.ok()) {
    if (region.model.has_failed())
      return absl::InternalError("a failed region acknowledged a sync");
    region.model.EverythingIsDurable();
    return absl::OkStatus();
  }
  return TroubleOf(region).failed ? absl::OkStatus() : status;
}

absl::Status Simulation::Read(Region& region) {
  if (random_.Percent(30)) {
    Note(absl::StrCat("region ", region.id, " compare"));
    return region.model.CompareOpen(region.log());
  }
  ReadRange range;
  range.table = random_.Between(1, region.tables);
  const SequenceNumber next = region.model.Next(*range.table);
  if (random_.Percent(60)) range.first = random_.Between(1, next + 1);
  if (random_.Percent(40)) range.last = range.first + random_.Below(20);
  ReadLimits limits;
  if (random_.Percent(40)) limits.max_records = random_.Between(1, 5);
  if (random_.Percent(40)) limits.max_payload_bytes = random_.Between(1, 2000);
  Note(absl::StrCat("region ", region.id, " table ", *range.table, " read ", range.first, "..",
                    range.last));
  return region.model.CompareRange(region.log(), range, limits);
}

absl::Status Simulation::ReadWithErrors(Region& region) {
  Note(absl::StrCat("region ", region.id, " read with errors"));
  const uint64_t before = disk_.faults_hit();
  disk_.FailNth(random_.Between(1, 4), file_op::kRead | file_op::kMap | file_op::kOpen, EIO);
  ReadRange range;
  range.table = random_.Between(1, region.tables);
  const auto records = ReadAll(region.log(), range);
  const uint64_t hit = disk_.faults_hit() - before;
  disk_.ClearFaults();
  for (Region& each : regions_)
    each.faults_before += hit;  // an error in reading excuses nothing else
  if (!records.ok()) {
    if (hit > 0 && HasReason(records.status(), ErrorReason::kIoError)) return absl::OkStatus();
    return records.status();
  }
  if (*records != region.model.Live(*range.table)) {
    return absl::InternalError("a read beside I/O errors returned something else");
  }
  return absl::OkStatus();
}

absl::Status Simulation::Verify(Region& region) {
  Note(absl::StrCat("region ", region.id, " verify"));
  std::string found;
  const absl::Status status = region.log().Verify([&](const VerifyProgress& progress) {
    for (const DamagedRange& range : progress.findings) {
      found = absl::StrCat(range.file, " at ", range.offset, ": ", range.reason);
    }
    return true;
  });
  if (TroubleOf(region).failed) return absl::OkStatus();  // a failed write may have left anything
  if (!found.empty()) return absl::InternalError("verify found damage that nobody made: " + found);
  return status;
}

absl::Status Simulation::Reopen(Region& region) {
  const absl::Status status = region.writer->Close();
  Note(absl::StrCat("region ", region.id, " close -> ", ShowStatus(status)));
  if (!status.ok() && !TroubleOf(region).failed) return status;
  if (status.ok() && !region.model.has_failed() && !TroubleOf(region).failed) {
    region.model.EverythingIsDurable();
  }
  region.writer.reset();
  if (disk_.crashed()) return absl::OkStatus();
  return OpenRegion(region);
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
