// The process whose opening of a namespace is measured.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace walden::bench {

// Opens every region of the segment engine's folder, one after the other, and prints bytes and
// records scanned, seconds, and resident memory before and at its peak.
absl::Status RunOpenNamespaceChild(const std::string& directory);

}  // namespace walden::bench
