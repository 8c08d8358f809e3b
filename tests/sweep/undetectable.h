// The damage that cannot be noticed, as FORMAT.md lists it. All other damage must be noticed.
#pragma once

#include <string>

#include "engine/common/directory_owner.h"
#include "tests/sweep/harm.h"
#include "tests/sweep/story.h"

namespace walden::sweep {

// The loss that is not reported.
enum Loss : uint32_t {
  kNothing = 0,
  kEnd = 1,  // the region's last writes, and nothing before them
  kMore = 2,
};

struct Undetectable {
  DirectoryOwner engine;
  uint32_t endings;       // bits 1 << Ending
  uint32_t harms;         // HarmKind
  const char* file_kind;  // FileKind; null: any
  Loss at_most;
  const char* words;  // of the section "What stays undetectable" of the engine's FORMAT.md
};

// The entry that allows it, or null.
const Undetectable* Allows(DirectoryOwner engine, Ending ending, const Harm& harm, Loss loss);

}  // namespace walden::sweep
