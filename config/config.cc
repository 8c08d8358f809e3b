#include "config/config.h"

namespace walden {

const RegionSettings& NamespaceConfig::SettingsOf(RegionId region) const {
  for (const RegionConfig& own : regions) {
    if (own.id == region) return own.settings;
  }
  return settings;
}

const NamespaceConfig* Config::DefaultNamespace() const {
  for (const NamespaceConfig& candidate : namespaces) {
    if (candidate.name == default_namespace) return &candidate;
  }
  return nullptr;
}

}  // namespace walden
