// Checks what no single field can: how settings fit each other.
#pragma once

#include "absl/status/status.h"
#include "config/config_problems.h"
#include "config/loader.h"

namespace walden {

// Adds every contradiction to `problems`, except between settings that already have one. Limits
// that were not set and do not fit what was set are lowered, and `loaded` says so among its
// origins.
void CheckCombinations(LoadedConfig& loaded, ConfigProblems& problems);

// INVALID_ARGUMENT with a line for every contradiction in what a running daemon would come to have.
absl::Status CheckCombinations(const Config& config);

}  // namespace walden
