#include "config/changed_fields.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "config/fields.h"

namespace walden {
namespace {

template <typename Owner>
void CompareFields(const std::vector<Field<Owner>>& fields, const std::string& prefix,
                   const Owner& before, const Owner& after, std::vector<ChangedField>& changed) {
  for (const Field<Owner>& field : fields) {
    const std::string old_value = absl::StrJoin(field.get(before), ", ");
    const std::string new_value = absl::StrJoin(field.get(after), ", ");
    if (old_value == new_value) continue;
    changed.push_back({absl::StrCat(prefix, field.key), old_value, new_value, field.reloads});
  }
}

template <typename Owner>
void TakeOverFields(const std::vector<Field<Owner>>& fields, Owner& running, const Owner& wanted) {
  for (const Field<Owner>& field : fields) {
    if (!field.reloads || field.is_list) continue;
    // The value is one that the same field has in another configuration, so it is accepted.
    (void)field.set(running, field.get(wanted).front());
  }
}

const NamespaceConfig* Find(const Config& config, NamespaceId id) {
  for (const NamespaceConfig& space : config.namespaces) {
    if (space.id == id) return &space;
  }
  return nullptr;
}

RegionConfig RegionOf(const NamespaceConfig& space, RegionId id) {
  return {.id = id, .settings = space.SettingsOf(id)};
}

// The regions that either namespace lists.
std::set<RegionId> RegionsOf(const NamespaceConfig& one, const NamespaceConfig& other) {
  std::set<RegionId> ids;
  for (const RegionConfig& region : one.regions) ids.insert(region.id);
  for (const RegionConfig& region : other.regions) ids.insert(region.id);
  return ids;
}

void CompareNamespaces(const NamespaceConfig& before, const NamespaceConfig& after,
                       std::vector<ChangedField>& changed) {
  const std::string path = absl::StrCat("namespaces[", before.name, "].");
  CompareFields(NamespaceFields(), path, before, after, changed);
  for (const RegionId id : RegionsOf(before, after)) {
    CompareFields(RegionFields(), absl::StrCat(path, "regions[", id, "]."), RegionOf(before, id),
                  RegionOf(after, id), changed);
  }
}

}  // namespace

std::vector<ChangedField> FindChangedFields(const Config& before, const Config& after) {
  std::vector<ChangedField> changed;
  CompareFields(RootFields(), "", before, after, changed);
  for (const NamespaceConfig& space : before.namespaces) {
    const NamespaceConfig* const then = Find(after, space.id);
    if (then == nullptr) {
      changed.push_back({absl::StrCat("namespaces[", space.name, "]"), "configured", "gone"});
    } else {
      CompareNamespaces(space, *then, changed);
    }
  }
  for (const NamespaceConfig& space : after.namespaces) {
    if (Find(before, space.id) != nullptr) continue;
    changed.push_back({absl::StrCat("namespaces[", space.name, "]"), "absent", "configured"});
  }
  return changed;
}

Config TakeReloadableFields(const Config& running, const Config& wanted) {
  Config result = running;
  TakeOverFields(RootFields(), result, wanted);
  for (NamespaceConfig& space : result.namespaces) {
    const NamespaceConfig* const then = Find(wanted, space.id);
    if (then == nullptr) continue;
    std::vector<RegionConfig> regions;
    for (const RegionId id : RegionsOf(space, *then)) {
      RegionConfig region = RegionOf(space, id);
      TakeOverFields(RegionFields(), region, RegionOf(*then, id));
      regions.push_back(std::move(region));
    }
    TakeOverFields(NamespaceFields(), space, *then);
    space.regions = std::move(regions);
  }
  return result;
}

}  // namespace walden
