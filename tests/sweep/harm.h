// A harm to one file of a data directory, done while no process has it open.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/fault_file_system.h"
#include "tests/sweep/story.h"

namespace walden::sweep {

enum HarmKind : uint32_t {
  kFlip = 1,      // one bit
  kCut = 2,       // the file ends early
  kZero = 4,      // bytes become zero
  kRemove = 8,    // the file is gone
  kSwap = 16,     // two files of a kind have each other's bytes
  kReplace = 32,  // it has the bytes of another file of its kind
  kOlder = 64,    // it has the bytes that it had some time before
};

struct Harm {
  HarmKind kind = kFlip;
  std::string path;
  std::string other;  // kSwap, kReplace
  uint64_t at = 0;    // kFlip: bit; kCut: new size; kZero: first byte
  uint64_t length = 0;
  bool touches_last_append = false;  // kZero, if the file has it: some of its bytes become zero

  std::string Show() const;
};

// Name without its numbers: "seg_", "metadata", ".sst".
std::string FileKind(const std::string& path);

// Every harm of every file below /data, in an order that mixes files and kinds.
std::vector<Harm> AllHarms(const Story& story);

// False if the disk's bytes stay the same.
bool Apply(const Harm& harm, const Story& story, testing::FaultFileSystem& disk);

}  // namespace walden::sweep
