// Opens a damaged machine and compares every record with what is known of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/common/directory_owner.h"
#include "engine/log_engine.h"
#include "tests/sweep/harm.h"
#include "tests/sweep/story.h"
#include "tests/sweep/undetectable.h"

namespace walden::sweep {

struct Finding {
  std::string region;  // directory
  Loss loss = kNothing;
  std::string what;
  uint64_t oldest_missing = UINT64_MAX;  // append that is missing with OK
};

// Finds records that are wrong or missing and that no error, DATA_LOSS or opening report names.
// Goes on using the regions that open.
std::vector<Finding> FindSilent(const Story& story, DirectoryOwner engine, RecoveryPolicy policy,
                                const Harm& harm, testing::FaultFileSystem& disk);

}  // namespace walden::sweep
