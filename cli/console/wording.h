// Counts and ranges as parts of sentences. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace walden::cli {

// "1 record", "1,234 records", "2 entries", "2 batches". `noun` is in the singular.
std::string Counted(uint64_t count, absl::string_view noun);

// "3..5"; a range of one number is that number, "3".
std::string RangeText(uint64_t first, uint64_t last);

// RangeText, or "-" for 0..0, which stands for no number.
std::string RangeOrDash(uint64_t first, uint64_t last);

// The words of the text in lines of at most `width` bytes, longer words in lines of their own. No
// newline at the end.
std::string Wrapped(absl::string_view text, size_t width);

}  // namespace walden::cli
