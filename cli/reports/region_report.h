// What the daemon tells about regions, as text for people.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "walden/v1/admin.pb.h"

namespace walden::cli {

// "cleanly", "after cutting off a torn tail of 12 bytes, kept in ...", ...
std::string OpeningText(const v1::OpeningReport& opening);

// "open", "closed", "failed", "broken".
std::string StateText(v1::RegionInfo::State state);

// "file: bytes [10, 20), sequence 3..5: reason".
std::string DamageText(const v1::DamagedRange& damage);

// Whole lines.
std::string DescriptionText(const v1::DescribeRegionResponse& description);
std::string StatisticsText(const v1::GetStatisticsResponse& statistics);

}  // namespace walden::cli
