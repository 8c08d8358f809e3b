#include "tests/sweep/undetectable.h"

#include "absl/strings/string_view.h"

namespace walden::sweep {
namespace {

constexpr uint32_t Bit(Ending ending) { return 1u << static_cast<uint32_t>(ending); }

constexpr Undetectable kUndetectable[] = {
    {DirectoryOwner::kSegment, Bit(Ending::kKilled), kZero, "seg_", kEnd,
     "The last groups before a crash, if the disk had acknowledged them and then returned zeros "
     "for a sector of each, within the same milliseconds."},
    {DirectoryOwner::kRocksdb, Bit(Ending::kKilled), kCut | kZero | kOlder, ".log", kEnd,
     "After a crash without idle time before it: the loss of whole writes at the log's very end, "
     "and damage in the last write that looks like a sector that was never written"},
};

}  // namespace

const Undetectable* Allows(DirectoryOwner engine, Ending ending, const Harm& harm, Loss loss) {
  for (const Undetectable& entry : kUndetectable) {
    if (entry.engine != engine || (entry.endings & Bit(ending)) == 0) continue;
    if ((entry.harms & harm.kind) == 0 || loss > entry.at_most) continue;
    if (harm.kind == kZero && !harm.touches_last_append) continue;
    if (entry.file_kind != nullptr && FileKind(harm.path) != entry.file_kind) continue;
    return &entry;
  }
  return nullptr;
}

}  // namespace walden::sweep
