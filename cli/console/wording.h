// Counts and ranges as parts of sentences. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace walden::cli {

// "1 record", "1,234 records", "2 entries", "2 batches". `noun` is in the singular.
std::string Counted(uint64_t count, absl::string_view noun);

// "3..5"; a range of one number is that number, "3".
std::string RangeText(uint64_t first, uint64_t last);

}  // namespace walden::cli
