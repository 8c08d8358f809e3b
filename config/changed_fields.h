// Compares two configurations field by field, for a reload.
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

// Returns the fields that differ, in the order of the field tables. Namespaces and regions are
// matched by their ids. An added or removed namespace is one field and needs a restart. A region
// without settings of its own has those of its namespace.
std::vector<ChangedField> FindChangedFields(const Config& before, const Config& after);

// Returns `running` with the values of `wanted` in every field that a running daemon takes over.
Config TakeReloadableFields(const Config& running, const Config& wanted);

}  // namespace walden
