// The marks and fences of a simulation: by number, by append time, by retention, by region version.
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/simulation/simulation.h"

namespace walden::testing {

absl::Status Simulation::Mark(Region& region) {
  if (random_.Percent(20)) return MarkBefore(region, random_.Between(1, region.tables));
  if (random_.Percent(25)) return Retain(region);
  std::vector<TableMark> marks;
  for (TableId table = 1; table <= region.tables; ++table) {
    if (random_.Percent(50)) marks.push_back({table, RandomMark(region, table)});
  }
  if (marks.empty()) marks.push_back({1, RandomMark(region, 1)});
  std::optional<uint64_t> version;
  if (random_.Percent(10)) version = region.model.region_version() + random_.Below(2);
  return MarkAll(region, marks, version);
}

SequenceNumber Simulation::RandomMark(const Region& region, TableId table) {
  const SequenceNumber next = region.model.Next(table);
  if (random_.Percent(25)) return kMaxSequenceNumber;
  return random_.Percent(25) ? next - 1 : random_.Below(next + 3);
}

absl::Status Simulation::MarkAll(Region& region, const std::vector<TableMark>& marks,
                                 std::optional<uint64_t> version) {
  return Do(region,
            std::make_shared<Operation>(Operation{
                .kind = Operation::Kind::kMark, .marks = marks, .region_version = version}));
}

// A time near that of some batch.
int64_t Simulation::RandomTime(const Region& region) {
  const auto& batches = region.model.batches();
  int64_t micros = wall_clock_.UnixMicros();
  if (!batches.empty()) {
    const auto& batch = batches[random_.Below(batches.size())];
    const size_t parts = batch.parts.size();
    micros = batch.parts[random_.Below(parts)].appended_micros;
  }
  if (random_.Percent(50)) micros += static_cast<int64_t>(random_.Between(1, 3)) - 2;
  if (random_.Percent(30)) micros += static_cast<int64_t>(random_.Below(4'000'000)) - 2'000'000;
  return micros;
}

absl::StatusOr<SequenceNumber> Simulation::FirstSince(Region& region, TableId table,
                                                      int64_t micros) {
  const SequenceNumber next = region.log().Position(table).next;
  const auto first = region.log().FirstSince(table, absl::FromUnixMicros(micros));
  Note(absl::StrCat("region ", region.name(), " table ", table, " since ", micros, " -> ",
                    first.ok() ? absl::StrCat(*first) : ShowStatus(first.status())));
  if (!first.ok()) return first;
  absl::Status status = region.model.CheckSince(table, micros, *first, next);
  return status.ok() ? first : status;
}

absl::Status Simulation::SeekByTime(Region& region, TableId table) {
  const auto first = FirstSince(region, table, RandomTime(region));
  return first.ok() || !region.log().Health().ok() ? absl::OkStatus() : first.status();
}

// Deletes what was appended before a time, as MarkDeleted with before_time does.
absl::Status Simulation::MarkBefore(Region& region, TableId table) {
  const int64_t micros = RandomTime(region);
  const auto first = FirstSince(region, table, micros);
  if (!first.ok()) return region.log().Health().ok() ? first.status() : absl::OkStatus();
  // The log may go on between the two.
  if (random_.Percent(30)) {
    if (absl::Status status = Append(region); !status.ok() || disk_.crashed()) return status;
  }
  absl::Status status = region.model.CheckNothingSkipped(table, micros, *first);
  return status.ok() ? MarkAll(region, {{table, *first - 1}}, std::nullopt) : status;
}

// Deletes what is too old, as the daemon's retention does.
absl::Status Simulation::Retain(Region& region) {
  const absl::Time now = wall_clock_.now();
  const absl::Duration age = now - absl::FromUnixMicros(RandomTime(region));
  if (age <= absl::ZeroDuration()) return absl::OkStatus();
  const auto plan = region.log().PlanRetention({.age = age}, now);
  Note(absl::StrCat("region ", region.name(), " retention of ", absl::FormatDuration(age), " -> ",
                    plan.ok() ? absl::StrCat(plan->marks.size(), " marks, ", plan->records)
                              : ShowStatus(plan.status())));
  if (!plan.ok()) return region.log().Health().ok() ? plan.status() : absl::OkStatus();
  const absl::Status status = region.model.CheckPlan(*plan, absl::ToUnixMicros(now - age));
  if (!status.ok() || plan->marks.empty()) return status;
  return MarkAll(region, plan->marks, std::nullopt);
}

// Raises the version, sometimes not above the highest that the region has seen.
absl::Status Simulation::Fence(Region& region) {
  const uint64_t version = region.model.region_version() + random_.Below(3) + 1;
  return FenceWith(region, random_.Percent(30) ? std::max<uint64_t>(version - 2, 1) : version);
}

absl::Status Simulation::FenceWith(Region& region, uint64_t version) {
  const auto fence = std::make_shared<Operation>(
      Operation{.kind = Operation::Kind::kFence, .region_version = version});
  absl::Status status = Do(region, fence);
  return status.ok() && fence->status.ok() && !disk_.crashed() ? ProbeFence(region) : status;
}

// Appends as a writer that was fenced: the model knows that it must be refused.
absl::Status Simulation::ProbeFence(Region& region) {
  const uint64_t version = region.model.region_version();
  if (version == 0) return absl::OkStatus();
  Batch late;
  late.table = random_.Between(1, region.tables);
  late.payloads = {random_.NonZeroBytes(16)};
  late.region_version = version - 1;
  Note(absl::StrCat("region ", region.name(), " append of a fenced writer"));
  return Commit(region, {late});
}

}  // namespace walden::testing
