// The header of a version 2 segment (format.h), which identifies the file. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "engine/types.h"

namespace walden::segment {

struct SegmentHeader {
  uint32_t alignment = 0;  // groups begin at its multiples; 0: version 1, without a header
  uint64_t salt = 0;       // random, so that nobody can write bytes that pass for a group
  NamespaceId namespace_id = 0;
  RegionId region = 0;
  uint64_t segment = 0;
  uint64_t bytes = 0;

  bool operator==(const SegmentHeader&) const = default;

  bool version_1() const { return alignment == 0; }
  // The end of the bytes before the first group, or before the first record of a version 1 file.
  uint64_t first_end() const;
  // The beginning of a group after bytes that end at `end`.
  uint64_t GroupBegin(uint64_t end) const;
};

// The largest alignment up to `probed` that leaves a segment of `bytes` room for groups.
uint32_t AlignmentFor(uint32_t probed, uint64_t bytes);

// The first kSegmentHeaderBytes bytes of the file.
std::string EncodeSegmentHeader(const SegmentHeader& header);

// nullopt: `bytes` do not begin with a valid header of version 2.
std::optional<SegmentHeader> ParseSegmentHeader(absl::string_view bytes);

// Names the first field in which a file's header differs from the one that it should have, with
// both values; empty if none does.
std::string HeaderDifference(const SegmentHeader& found, const SegmentHeader& wanted);

}  // namespace walden::segment
