#include "tests/sweep/harm.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/random.h"

namespace walden::sweep {
namespace {

using testing::FaultFileSystem;
using testing::Random;

constexpr uint64_t kSector = 512;

const char* KindName(HarmKind kind) {
  switch (kind) {
    case kFlip:
      return "flip bit";
    case kCut:
      return "cut to";
    case kZero:
      return "zeros at";
    case kRemove:
      return "remove";
    case kSwap:
      return "swap with";
    case kReplace:
      return "replace by";
    case kOlder:
      return "older copy";
  }
  return "?";
}

void Put(FaultFileSystem& disk, const std::string& path, const std::string& bytes) {
  absl::Status status = disk.RemoveFile(path);
  auto file = disk.CreateFile(path);
  if (file.ok()) status = (*file)->Write(0, {bytes});
  if (status.ok()) status = (*file)->SyncData();
  if (status.ok()) status = disk.SyncDirectory(path.substr(0, path.rfind('/')));
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

void AddOfBytes(const std::string& path, uint64_t size, uint64_t used, Random& random,
                std::vector<Harm>& harms) {
  if (used == 0) return;
  for (int i = 0; i < 24; ++i) {
    const uint64_t byte = i < 4 ? std::min<uint64_t>(i * 7, used - 1) : random.Below(used);
    harms.push_back({.kind = kFlip, .path = path, .at = byte * 8 + random.Below(8)});
  }
  for (int i = 1; i <= 4; ++i) {
    harms.push_back({.kind = kFlip, .path = path, .at = (used - std::min<uint64_t>(used, i)) * 8});
  }
  for (const uint64_t to : {uint64_t{0}, used / 2, used / 2 / kSector * kSector, used - 1, used,
                            random.Below(used), random.Below(used)}) {
    if (to < size) harms.push_back({.kind = kCut, .path = path, .at = to});
  }
  const auto add_zeros = [&](uint64_t at, uint64_t length) {
    harms.push_back({.kind = kZero,
                     .path = path,
                     .at = at,
                     .length = length,
                     .touches_last_append = at < used && at + length + kLastAppendBytes > used});
  };
  add_zeros(0, size);
  for (int i = 0; i < 5; ++i) {
    const uint64_t sector = i == 0   ? 0
                            : i == 1 ? (used - 1) / kSector
                                     : random.Below(used) / kSector;
    add_zeros(sector * kSector, std::min(size - sector * kSector, random.Between(1, 4) * kSector));
  }
}

}  // namespace

std::string Harm::Show() const {
  std::string text = absl::StrCat(KindName(kind), " ");
  if (kind == kFlip || kind == kCut || kind == kZero) absl::StrAppend(&text, at, " ");
  if (kind == kZero) absl::StrAppend(&text, "+", length, " ");
  absl::StrAppend(&text, path);
  if (!other.empty()) absl::StrAppend(&text, " ", other);
  return text;
}

std::string FileKind(const std::string& path) {
  std::string kind;
  for (const char c : path.substr(path.rfind('/') + 1)) {
    if (c < '0' || c > '9') kind.push_back(c);
  }
  return kind;
}

std::vector<Harm> AllHarms(const Story& story) {
  Random random(5);
  const std::vector<std::string> files = story.disk->FilesBelow("/data");
  std::vector<Harm> harms;
  for (const std::string& path : files) {
    const std::string bytes = story.disk->ReadWhole(path);
    AddOfBytes(path, bytes.size(), bytes.find_last_not_of('\0') + 1, random, harms);
    harms.push_back({.kind = kRemove, .path = path});
    for (const std::string& other : files) {
      if (other == path || FileKind(other) != FileKind(path)) continue;
      harms.push_back({.kind = kReplace, .path = path, .other = other});
      if (path < other) harms.push_back({.kind = kSwap, .path = path, .other = other});
    }
    if (story.older->Exists(path)) harms.push_back({.kind = kOlder, .path = path});
  }
  for (size_t i = harms.size(); i > 1; --i) std::swap(harms[i - 1], harms[random.Below(i)]);
  return harms;
}

bool Apply(const Harm& harm, const Story& story, FaultFileSystem& disk) {
  const std::string before = disk.ReadWhole(harm.path);
  switch (harm.kind) {
    case kFlip:
      disk.FlipBit(harm.path, harm.at / 8, static_cast<int>(harm.at % 8));
      return true;
    case kCut:
      disk.ShrinkSize(harm.path, before.size() - harm.at);
      return true;
    case kZero:
      disk.ZeroRange(harm.path, harm.at, harm.length);
      return disk.ReadWhole(harm.path) != before;
    case kRemove:
      return disk.RemoveFile(harm.path).ok();
    case kSwap: {
      const std::string other = disk.ReadWhole(harm.other);
      Put(disk, harm.path, other);
      Put(disk, harm.other, before);
      return other != before;
    }
    case kReplace:
      Put(disk, harm.path, disk.ReadWhole(harm.other));
      return disk.ReadWhole(harm.path) != before;
    case kOlder:
      Put(disk, harm.path, story.older->ReadWhole(harm.path));
      return disk.ReadWhole(harm.path) != before;
  }
  return false;
}

}  // namespace walden::sweep
