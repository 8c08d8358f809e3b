// What a new configuration changes, field by field.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace walden {

struct ChangedField {
  std::string key;  // "limits.disk_reserve", "namespaces[default].regions[7].disk_quota"
  std::string old_value;
  std::string new_value;
  bool reloads = false;  // a running daemon takes it over; otherwise it needs a restart
};

// In the order of the field tables. Namespaces and regions are told apart by their ids; one that
// comes or goes is one field, and needs a restart. A region that is only set apart anew, or no
// more, is one for each setting that differs.
std::vector<ChangedField> FindChangedFields(const Config& before, const Config& after);

// `running` with every field of `wanted` that a running daemon takes over.
Config TakeReloadableFields(const Config& running, const Config& wanted);

}  // namespace walden
