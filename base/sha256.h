// SHA-256, the hash by which tokens are stored and compared.
#pragma once

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace walden {

using Sha256 = std::array<uint8_t, 32>;

// Aborts the process if OpenSSL cannot hash: a wrong hash could let a stranger in.
Sha256 Sha256Of(absl::string_view text);

}  // namespace walden
