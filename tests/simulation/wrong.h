// Makes the INTERNAL error by which a simulation reports a mistake of the engine; it ends the
// history.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace walden::testing {

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::InternalError(absl::StrCat(parts...));
}

}  // namespace walden::testing

#define RETURN_IF_WRONG(expression)                                   \
  do {                                                                \
    if (absl::Status wrong = (expression); !wrong.ok()) return wrong; \
  } while (false)
