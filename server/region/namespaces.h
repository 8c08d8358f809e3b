// The namespaces of a daemon, which do not change while it runs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/executor.h"
#include "engine/io/disk_quota.h"
#include "engine/io/disk_space.h"
#include "engine/log_engine.h"
#include "engine/types.h"
#include "server/region/late_engine.h"
#include "server/statistics/engine_statistics.h"

namespace walden {

// Settings of one region.
struct RegionPolicy {
  RegionOptions engine;
  Durability default_durability = Durability::kSync;  // of appends that do not ask for one
  absl::Duration buffered_sync_interval = absl::Milliseconds(10);
};

struct Namespace {
  using OpenEngine = std::function<absl::StatusOr<std::unique_ptr<LogEngine>>()>;

  NamespaceId id = 0;
  std::string name;
  // Observes the engine. Outlives it.
  std::unique_ptr<EngineStatistics> statistics = std::make_unique<EngineStatistics>();
  std::unique_ptr<DiskQuotas> quotas;  // may be null; outlives the engine
  std::unique_ptr<DiskSpace> disk;     // the disk that it is on; may be null; outlives the engine
  std::unique_ptr<LogEngine> engine;
  // Both are set, or neither: `engine` is opened by `open` while the daemon serves, and is `late`.
  LateEngine* late = nullptr;
  OpenEngine open;
  // Runs the turns of its regions' actors, which block in writes and syncs: a disk that hangs takes no
  // threads of other namespaces. Outlives the registry; null: the registry's.
  Executor* actors = nullptr;
  RegionPolicy regions;
  absl::flat_hash_map<RegionId, RegionPolicy> overrides;

  const RegionPolicy& PolicyOf(RegionId region) const {
    if (overrides.empty()) return regions;
    const auto found = overrides.find(region);
    return found == overrides.end() ? regions : found->second;
  }
};

// Read-only after it was filled; any thread may then use it.
class NamespaceSet {
 public:
  // The id must not be 0 and not be there yet. The first one added is the default until SetDefault.
  Namespace* Add(std::unique_ptr<Namespace> added) {
    Namespace* const result = added.get();
    if (default_id_ == 0) default_id_ = added->id;
    by_id_[added->id] = std::move(added);
    return result;
  }
  void SetDefault(NamespaceId id) { default_id_ = id; }

  // Directories with data that belong to no configured namespace.
  void SetUnconfigured(std::vector<std::string> names) { unconfigured_ = std::move(names); }
  const std::vector<std::string>& unconfigured() const { return unconfigured_; }

  // An id of 0 means the default namespace. Null if the namespace does not exist.
  const Namespace* Find(uint32_t id) const {
    if (id >= by_id_.size()) return nullptr;
    return by_id_[id == 0 ? default_id_ : id].get();
  }
  NamespaceId default_id() const { return default_id_; }

  // Before it is used: all, ordered by id.
  std::vector<Namespace*> AllToFill() {
    std::vector<Namespace*> all;
    for (const auto& entry : by_id_) {
      if (entry != nullptr) all.push_back(entry.get());
    }
    return all;
  }

  // Ordered by id.
  std::vector<const Namespace*> All() const {
    std::vector<const Namespace*> all;
    for (const auto& entry : by_id_) {
      if (entry != nullptr) all.push_back(entry.get());
    }
    return all;
  }

 private:
  std::array<std::unique_ptr<Namespace>, 256> by_id_;
  NamespaceId default_id_ = 0;
  std::vector<std::string> unconfigured_;
};

// INVALID_ARGUMENT (UNKNOWN_NAMESPACE): no namespace has this id. The message lists those that
// exist.
absl::Status UnknownNamespace(const NamespaceSet& namespaces, uint32_t id);

}  // namespace walden
