// The findings of an offline look at a region's directory, as text and JSON.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "cli/console/json.h"
#include "engine/segment/inspect.h"

namespace walden::cli {

// An engine's error with its reason and metadata as this client carries them.
absl::Status FromEngine(const absl::Status& status);

// Damaged ranges, missing segments and unusable metadata. A torn tail is none.
size_t DamageCount(const segment::InspectedRegion& region);

// Whole lines.
std::string InspectionText(const segment::InspectedRegion& region);

// Field names as in proto/walden/v1, where it has them.
Json InspectionJson(const segment::InspectedRegion& region);

}  // namespace walden::cli
