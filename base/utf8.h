// Checks text in UTF-8. Any thread.
#pragma once

#include "absl/strings/string_view.h"

namespace walden {

// Whether `bytes` is well-formed UTF-8 as table 3-7 of the Unicode standard defines it: overlong
// forms, surrogates and code points above U+10FFFF are not.
bool IsValidUtf8(absl::string_view bytes);

}  // namespace walden
