// The daemon's descriptions of regions, as text for people.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "walden/v1/admin.pb.h"

namespace walden::cli {

// "cleanly", "after cutting off a torn tail of 12 bytes, kept in ...", ...
std::string OpeningText(const v1::OpeningReport& opening);

// "open", "closed", "failed", "broken".
std::string StateText(v1::RegionInfo::State state);

// A table of regions, an open one with its usage; whole lines. `now`: for ages.
std::string RegionsText(const google::protobuf::RepeatedPtrField<v1::RegionInfo>& regions,
                        absl::Time now);

// "file: bytes [10, 20), sequence 3..5: reason".
std::string DamageText(const v1::DamagedRange& damage);

// Whole lines.
std::string DescriptionText(const v1::DescribeRegionResponse& description, absl::Time now);
std::string ServerInfoText(const v1::GetServerInfoResponse& info);
std::string StatisticsText(const v1::GetStatisticsResponse& statistics);

}  // namespace walden::cli
