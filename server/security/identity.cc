#include "server/security/identity.h"

#include <algorithm>

namespace walden {

Identity::Identity(const IdentityConfig& config) : name_(config.name) {
  for (const IdentityRule& rule : config.rules) {
    Rights rights;
    if (rule.append) rights = rights | Right::kAppend;
    if (rule.read) rights = rights | Right::kRead;
    if (rule.mark_deleted) rights = rights | Right::kDelete;
    if (rule.admin) rights = rights | Right::kAdmin;
    rules_.push_back({rule.namespace_id, rule.regions, rights});
  }
}

Rights Identity::RightsOn(NamespaceId ns, RegionId region) const {
  Rights rights;
  for (const Rule& rule : rules_) {
    if (rule.ns != 0 && rule.ns != ns) continue;
    for (const RegionRange& range : rule.regions) {
      if (region >= range.first && region <= range.last) rights = rights | rule.rights;
    }
  }
  return rights;
}

bool Identity::Allows(NamespaceId ns, RegionId region, Rights rights) const {
  return RightsOn(ns, region).Include(rights);
}

bool Identity::KnowsRegion(NamespaceId ns, RegionId region) const {
  return !RightsOn(ns, region).empty();
}

bool Identity::KnowsNamespace(NamespaceId ns) const {
  for (const Rule& rule : rules_) {
    if ((rule.ns == 0 || rule.ns == ns) && !rule.regions.empty() && !rule.rights.empty()) {
      return true;
    }
  }
  return false;
}

bool Identity::Administers() const {
  return std::any_of(rules_.begin(), rules_.end(), [](const Rule& rule) {
    return !rule.regions.empty() && rule.rights.Include(Right::kAdmin);
  });
}

}  // namespace walden
