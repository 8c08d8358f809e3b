#include "server/status/region_summaries.h"

#include <utility>

namespace walden {
namespace {

// A description is kept for this long after the last request for it.
constexpr absl::Duration kWanted = absl::Seconds(10);

RegionSummary SummaryOf(const RegionLook& look) {
  using State = RegionSummary::State;
  RegionSummary summary{.key = look.key};
  switch (look.state) {
    case RegionLook::State::kOpening:
      summary.state = State::kOpening;
      break;
    case RegionLook::State::kOpen:
      summary.error = look.actor->log().Health();
      summary.state = summary.error.ok() ? State::kOpen : State::kFailed;
      summary.usage = look.actor->log().Usage();
      break;
    case RegionLook::State::kClosing:
      summary.state = State::kClosing;
      break;
    case RegionLook::State::kBroken:
      summary.error = look.broken;
      summary.state = State::kBroken;
      break;
  }
  return summary;
}

void AddPresent(const RegionRegistry& registry, absl::flat_hash_set<RegionKey>* present,
                RegionSummaries::Picture* picture) {
  for (const RegionLook& look : registry.Regions()) {
    present->insert(look.key);
    picture->regions.push_back(SummaryOf(look));
  }
}

}  // namespace

std::optional<DiskHolder> DiskHolderOf(const RegionDescription& description) {
  absl::flat_hash_map<TableId, uint64_t> alone;
  for (const SegmentDescription& segment : description.segments) {
    // The newest segment is never given back.
    if (segment.tables.size() == 1 && &segment != &description.segments.back()) {
      alone[segment.tables[0].table] += segment.allocated_bytes;
    }
  }
  std::optional<DiskHolder> holder;
  for (const auto& [table, bytes] : alone) {
    if (!holder || bytes > holder->bytes || (bytes == holder->bytes && table < holder->table)) {
      holder = DiskHolder{.table = table, .bytes = bytes};
    }
  }
  return holder;
}

std::shared_ptr<const RegionSummaries::Picture> RegionSummaries::Look(
    const RegionRegistry& registry) {
  absl::MutexLock lock(&mutex_);
  const absl::Duration now = clock_->Now();
  if (looked_at_.has_value() && now - *looked_at_ < kLookInterval) return picture_;
  looked_at_ = now;
  auto picture = std::make_shared<Picture>();
  absl::flat_hash_set<RegionKey> present;
  AddPresent(registry, &present, picture.get());
  AddClosed(registry, present, picture.get());
  picture_ = std::move(picture);
  return picture_;
}

void RegionSummaries::AddClosed(const RegionRegistry& registry,
                                const absl::flat_hash_set<RegionKey>& present, Picture* picture) {
  const absl::Duration now = clock_->Now();
  if (!listed_at_.has_value() || now - *listed_at_ >= kListInterval) {
    listed_at_ = now;
    listed_.clear();
    unlisted_.clear();
    for (const Namespace* ns : registry.namespaces().All()) {
      const auto regions = ns->engine->ListRegions();
      if (!regions.ok()) {
        unlisted_.push_back({ns->id, regions.status()});
        continue;
      }
      for (const RegionId region : *regions) listed_.push_back({ns->id, region});
    }
  }
  picture->unlisted = unlisted_;
  for (const RegionKey& key : listed_) {
    if (!present.contains(key)) picture->regions.push_back({.key = key});
  }
}

RegionSummaries::Whole RegionSummaries::Describe(const RegionRegistry& registry,
                                                 const RegionKey& key) {
  absl::MutexLock lock(&mutex_);
  const absl::Duration now = clock_->Now();
  absl::erase_if(described_, [now](const auto& entry) { return entry.second.wanted_until <= now; });
  std::shared_ptr<const RegionActor> actor;
  for (RegionLook& look : registry.Regions()) {
    if (look.key == key) actor = std::move(look.actor);
  }
  if (actor == nullptr) {
    described_.erase(key);
    return {};
  }
  Described& described = described_[key];
  described.wanted_until = now + kWanted;
  if (described.whole.description == nullptr || described.rest_until <= now) {
    auto description = std::make_shared<const RegionDescription>(actor->log().Describe());
    const absl::Duration end = clock_->Now();
    described.whole = {std::move(description), end};
    described.rest_until = end + kRestFactor * (end - now);
  }
  return described.whole;
}

}  // namespace walden
