// Applies a YAML text to a configuration, field by field.
#pragma once

#include "absl/strings/string_view.h"
#include "config/config_problems.h"
#include "config/loader.h"

namespace walden {

// Applies the settings of the text, with "file_name:line" as origin, and adds problems to
// `problems`.
void ApplyYaml(absl::string_view text, absl::string_view file_name, LoadedConfig& loaded,
               ConfigProblems& problems);

}  // namespace walden
