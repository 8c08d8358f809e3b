// Prints the effective configuration as a file that loads to the same configuration.
#pragma once

#include <string>

#include "config/loader.h"

namespace walden {

// YAML with every field. A comment beside a value that differs from its default (a region's: from
// its namespace's) says where it was set.
std::string PrintConfig(const LoadedConfig& loaded);

}  // namespace walden
