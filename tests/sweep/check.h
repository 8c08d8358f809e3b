// Opens a damaged machine and compares every record with what is known of it.
#pragma once

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
};

// What is wrong or missing on the disk and is not reported by an error, by DATA_LOSS or by an
// opening report that names it. Goes on using what opens.
std::vector<Finding> FindSilent(const Story& story, DirectoryOwner engine, RecoveryPolicy policy,
                                const Harm& harm, testing::FaultFileSystem& disk);

}  // namespace walden::sweep
