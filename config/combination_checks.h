// Checks how settings fit each other, which no single field can.
#pragma once

#include "absl/status/status.h"
#include "config/config_problems.h"
#include "config/loader.h"

namespace walden {

// Adds every contradiction to `problems`, except between settings that already have one. Limits
// that were not set and do not fit what was set are lowered, and `loaded` says so among its
// origins.
void CheckCombinations(LoadedConfig& loaded, ConfigProblems& problems);

// INVALID_ARGUMENT with a line for every contradiction in the configuration that a reload would
// give.
absl::Status CheckCombinations(const Config& config);

}  // namespace walden
