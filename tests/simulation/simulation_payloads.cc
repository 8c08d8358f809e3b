// The payloads of a simulation, and its steps on hundreds of tables at once.
#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/simulation.h"

namespace walden::testing {

std::string Simulation::RandomPayload(const Region& region) {
  const uint64_t segment = std::min<uint64_t>(region.options.segment_size_bytes, 64 << 10);
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
    if (batch.more.size() > 1 && random_.Percent(30)) std::swap(batch.more[0], batch.more[1]);
    return batch;
  }
  Batch batch;
  batch.table = random_.Between(1, region.tables);
  if (random_.Percent(4)) batch.table = 1000 + ++region.lone_tables;
  batch.durability = random_.Percent(45) ? Durability::kSync : Durability::kBuffered;
  if (random_.Percent(5)) {
    batch.payloads = {""};
    return batch;
  }
  // The first payload makes the batch recognisable among those whose answer is lost.
  batch.payloads.push_back(random_.NonZeroBytes(16));
  const uint64_t more = random_.Percent(5) ? random_.Below(60) : random_.Below(4);
  for (uint64_t i = 0; i < more; ++i) batch.payloads.push_back(RandomPayload(region));
  const uint64_t expect_percent = pipeline_.region == nullptr ? 12 : pipeline_.expect_percent;
  if (random_.Percent(expect_percent)) {
    const SequenceNumber next = ExpectedNext(region, batch.table);
    batch.expected_next_sequence = random_.Percent(70) ? next : next + random_.Between(1, 3) - 2;
  }
  if (random_.Percent(20)) AddTables(region, batch);
  if (random_.Percent(8)) {
    const uint64_t version = region.model.region_version();
    batch.region_version = version + random_.Below(3) - (version > 0 ? 1 : 0);
  }
  if (random_.Percent(40)) TagRandomly(region, batch);
  return batch;
}

// Makes it a batch over several tables.
void Simulation::AddTables(Region& region, Batch& batch) {
  std::set<TableId> tables = {batch.table};
  for (uint64_t more = random_.Between(1, region.wide() ? 20 : 3); more > 0; --more) {
    BatchPart part{.table = random_.Between(1, region.tables + 1)};
    if (!tables.insert(part.table).second) continue;
    // As in the first part, the first payload makes it recognisable.
    part.payloads.push_back(random_.NonZeroBytes(16));
    for (uint64_t n = random_.Below(3); n > 0; --n) part.payloads.push_back(RandomPayload(region));
    if (random_.Percent(8)) {
      part.expected_next_sequence = ExpectedNext(region, part.table);
      if (random_.Percent(30)) ++*part.expected_next_sequence;
    }
    batch.more.push_back(std::move(part));
  }
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
    batch.more.clear();
    batch.expected_next_sequence.reset();
  }
  const uint64_t sequence = in_order ? next++ : random_.Between(next > 2 ? next - 2 : 1, next + 2);
  batch.producer = ProducerTag{random_.Percent(3) ? 1 : id, sequence};
  if (in_order) region.tagged.push_back(batch);
}

absl::Status Simulation::OpenProducer(Region& region) {
  std::optional<uint64_t> version;
  if (random_.Percent(10)) version = region.model.region_version() + random_.Below(2);
  return Do(region, std::make_shared<Operation>(Operation{.kind = Operation::Kind::kOpenProducer,
                                                          .region_version = version}));
}

absl::Status Simulation::AppendToManyTables(Region& region) {
  constexpr uint64_t kGroup = 60;
  Note(absl::StrCat("region ", region.name(), " append to each of ", region.tables, " tables"));
  const bool sync = random_.Percent(70);
  for (TableId first = 1; first <= region.tables; first += kGroup) {
    std::vector<Batch> group(std::min<uint64_t>(kGroup, region.tables - first + 1));
    for (size_t i = 0; i < group.size(); ++i) {
      group[i].table = first + i;
      group[i].durability = sync ? Durability::kSync : Durability::kBuffered;
      for (uint64_t n = random_.Between(2, 5); n > 0; --n) {
        group[i].payloads.push_back(random_.NonZeroBytes(random_.Between(100, 900)));
      }
    }
    absl::Status status = Commit(region, group);
    if (!status.ok() || disk_.crashed() || !region.log().Health().ok()) return status;
    if (random_.Percent(background_percent_)) background_.RunOne();
  }
  return absl::OkStatus();
}

absl::Status Simulation::MarkManyTables(Region& region) {
  const uint64_t of_100 = random_.Percent(50) ? 100 : random_.Between(5, 95);
  Note(absl::StrCat("region ", region.name(), " marks on ", of_100, " % of its tables"));
  const uint64_t part = random_.Between(2, 4);
  for (TableId table = 1; table <= region.tables; ++table) {
    if (!random_.Percent(of_100)) continue;
    const std::vector<StoredRecord> live = region.model.Live(table);
    if (live.empty()) continue;
    const SequenceNumber through = live[(live.size() - 1) / part].sequence;
    absl::Status status = MarkAll(region, {{table, through}}, std::nullopt);
    if (!status.ok() || disk_.crashed() || !region.log().Health().ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace walden::testing
