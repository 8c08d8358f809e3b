// Writes a log line for each event of a region or namespace.
#pragma once

#include "server/region/region_registry.h"

namespace walden {

class RegionEventLog final : public RegionEvents {
 public:
  void OnOpened(const RegionKey& key, const OpeningReport& report) override;
  void OnBroken(const RegionKey& key, const absl::Status& why) override;
  void OnFailed(const RegionKey& key, const absl::Status& why) override;
  void OnReopenPlanned(const RegionKey& key, uint32_t attempt, uint32_t attempts,
                       absl::Duration wait) override;
  void OnReopenGivenUp(const RegionKey& key, uint32_t attempts) override;
  void OnAcquired(const RegionKey& key) override;
  void OnLost(const RegionKey& key, const std::string& owner) override;
  void OnClosed(const RegionKey& key, const absl::Status& status) override;
  void OnDropped(const RegionKey& key) override;
  void OnRetained(const RegionKey& key, const RetentionPlan& plan,
                  const absl::Status& status) override;
  void OnNamespaceBroken(const Namespace& ns, const absl::Status& why) override;
};

}  // namespace walden
