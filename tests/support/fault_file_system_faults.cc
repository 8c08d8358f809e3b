// What goes wrong in a FaultFileSystem: crashes, failing calls, full disks, damage.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/fault_file_system_node.h"

namespace walden::testing {

FaultFileSystem::FaultFileSystem(uint64_t seed)
    : random_(seed), root_(std::make_shared<Node>(/*directory=*/true)) {}

FaultFileSystem::~FaultFileSystem() = default;

absl::Status FaultFileSystem::Begin(FileOps operation, const std::string& path,
                                    absl::FunctionRef<void(Random&)> half_done) {
  absl::Status status = BeginUntraced(operation, path, half_done);
  if (trace_ && operation != file_op::kRead) {
    trace_(absl::StrCat("  ", (operation & file_op::kChanges) != 0 ? absl::StrCat(changes_) : "-",
                        " ", FileOpName(operation), " ", path, status.ok() ? "" : ": ",
                        status.message()));
  }
  return status;
}

void FaultFileSystem::SetTrace(std::function<void(const std::string&)> trace) {
  absl::MutexLock lock(&mu_);
  trace_ = std::move(trace);
}

void FaultFileSystem::SetWriteObserver(WriteObserver observer) {
  absl::MutexLock lock(&mu_);
  on_write_ = std::move(observer);
}

void FaultFileSystem::SetMeanwhile(std::function<void()> meanwhile) {
  meanwhile_thread_ = std::this_thread::get_id();
  meanwhile_ = std::move(meanwhile);
}

void FaultFileSystem::Meanwhile() {
  if (meanwhile_thread_.load() != std::this_thread::get_id() || !meanwhile_) return;
  const std::function<void()> meanwhile = std::exchange(meanwhile_, nullptr);
  meanwhile();
  meanwhile_ = meanwhile;
}

absl::Status FaultFileSystem::BeginUntraced(FileOps operation, const std::string& path,
                                            absl::FunctionRef<void(Random&)> half_done) {
  if (crashed_) return FileError(EIO, absl::StrCat(FileOpName(operation), " after a crash:"), path);
  if ((operation & file_op::kChanges) != 0) {
    ++changes_;
    if (armed_.countdown > 0 && --armed_.countdown == 0) {
      crashing_ = true;
      half_done(random_);
      crashing_ = false;
      CrashLocked(armed_.crash, armed_.loss);
      return FileError(EIO, absl::StrCat(FileOpName(operation), " cut by a crash:"), path);
    }
  }
  if (const int error_number = MatchFault(operation, path); error_number != 0) {
    ++faults_hit_;
    half_done(random_);
    return FileError(error_number, FileOpName(operation), path);
  }
  return absl::OkStatus();
}

int FaultFileSystem::MatchFault(FileOps operation, const std::string& path) {
  int error_number = 0;
  for (Fault& fault : faults_) {
    if ((fault.operations & operation) == 0 || !absl::StrContains(path, fault.path_part)) continue;
    if (fault.nth > 1) {
      --fault.nth;
    } else if (fault.times > 0) {
      --fault.times;
      error_number = fault.error_number;
    }
  }
  return error_number;
}

// ---------------------------------------------------------------------------------------------------
// Crashes

void FaultFileSystem::CrashNow(Crash crash) {
  absl::MutexLock lock(&mu_);
  CrashLocked(crash, PowerLoss::kRandom);
}

void FaultFileSystem::PowerCut(PowerLoss loss) {
  absl::MutexLock lock(&mu_);
  CrashLocked(Crash::kPowerCut, loss);
}

void FaultFileSystem::CrashAt(uint64_t nth_change, Crash crash, PowerLoss loss) {
  absl::MutexLock lock(&mu_);
  armed_ = {nth_change, crash, loss};
}

void FaultFileSystem::CancelCrash() {
  absl::MutexLock lock(&mu_);
  armed_ = {};
}

bool FaultFileSystem::crashed() const {
  absl::MutexLock lock(&mu_);
  return crashed_;
}

bool FaultFileSystem::lost_power() const {
  absl::MutexLock lock(&mu_);
  return crashed_ && lost_power_;
}

void FaultFileSystem::CrashLocked(Crash crash, PowerLoss loss) {
  if (crashed_) return;
  crashed_ = true;
  lost_power_ = crash == Crash::kPowerCut;
  armed_ = {};
  ++process_;
  if (crash == Crash::kPowerCut) {
    LosePower(*root_, loss);
    SettleMoves();
  } else if (random_.Percent(50)) {
    ForEachFile("", *root_, [](const std::string&, Node& node) { node.file.EvictLost(); });
  }
  opened_.clear();
}

void FaultFileSystem::LosePower(Node& node, PowerLoss loss) {
  node.locked = false;
  if (!node.is_directory) {
    node.file.LosePower(loss, random_);
    return;
  }
  size_t kept = node.unsynced_changes.size();
  if (loss == PowerLoss::kNothing) {
    kept = 0;
  } else if (loss != PowerLoss::kAll) {
    kept = random_.Below(kept + 1);
  }
  node.entries = node.durable_entries;
  for (size_t i = 0; i < kept; ++i) Node::Apply(node.unsynced_changes[i], node.entries);
  node.SyncEntries();
  for (const auto& [name, entry] : node.entries) LosePower(*entry, loss);
}

void FaultFileSystem::MakeMovesDurable(const NodePtr& directory) {
  for (auto move = moves_.begin(); move != moves_.end();) {
    if (move->old_parent != directory && move->new_parent != directory) {
      ++move;
      continue;
    }
    move->old_parent->durable_entries.erase(move->old_name);
    if (move->new_parent != directory) {
      move->new_parent->durable_entries[move->new_name] = move->node;
    }
    move = moves_.erase(move);
  }
}

void FaultFileSystem::SettleMoves() {
  for (const Move& move : moves_) {
    auto& old_entries = move.old_parent->entries;
    const auto& new_entries = move.new_parent->entries;
    const auto new_entry = new_entries.find(move.new_name);
    if (new_entry != new_entries.end() && new_entry->second == move.node) {
      old_entries.erase(move.old_name);
    } else {
      old_entries[move.old_name] = move.node;
    }
    move.old_parent->SyncEntries();
  }
  moves_.clear();
}

void FaultFileSystem::Restart() {
  absl::MutexLock lock(&mu_);
  crashed_ = false;
  Unlock(*root_);
}

void FaultFileSystem::Unlock(Node& node) {
  node.locked = false;
  for (const auto& [name, entry] : node.entries) Unlock(*entry);
}

uint64_t FaultFileSystem::changes() const {
  absl::MutexLock lock(&mu_);
  return changes_;
}

void FaultFileSystem::SetWriteBack(uint64_t percent) {
  absl::MutexLock lock(&mu_);
  write_back_percent_ = percent;
}

// ---------------------------------------------------------------------------------------------------
// Failing calls

void FaultFileSystem::Inject(const Fault& fault) {
  absl::MutexLock lock(&mu_);
  faults_.push_back(fault);
}

void FaultFileSystem::FailNth(uint64_t nth, FileOps operations, int error_number) {
  Fault fault;
  fault.operations = operations;
  fault.nth = nth;
  fault.error_number = error_number;
  Inject(fault);
}

void FaultFileSystem::FailAll(FileOps operations, int error_number) {
  Fault fault;
  fault.operations = operations;
  fault.times = Fault::kForever;
  fault.error_number = error_number;
  Inject(fault);
}

void FaultFileSystem::ClearFaults() {
  absl::MutexLock lock(&mu_);
  faults_.clear();
  ForEachFile("", *root_, [](const std::string&, Node& node) { node.unreadable.clear(); });
}

uint64_t FaultFileSystem::faults_hit() const {
  absl::MutexLock lock(&mu_);
  return faults_hit_;
}

void FaultFileSystem::MakeUnreadable(const std::string& path, uint64_t offset, uint64_t length) {
  absl::MutexLock lock(&mu_);
  MustFind(path).unreadable.emplace_back(offset, length);
}

absl::Status FaultFileSystem::CheckReadable(const Node& node, const std::string& path,
                                            uint64_t offset, uint64_t length) const {
  for (const auto& [bad_offset, bad_length] : node.unreadable) {
    if (offset < bad_offset + bad_length && bad_offset < offset + length) {
      return FileError(EIO, absl::StrCat("read at ", offset, " of"), path);
    }
  }
  return absl::OkStatus();
}

void FaultFileSystem::SetCapacity(uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  capacity_ = bytes;
}

void FaultFileSystem::SetWriteAlignment(uint32_t bytes) {
  absl::MutexLock lock(&mu_);
  write_alignment_ = bytes;
}

uint64_t FaultFileSystem::UsedBytes() const {
  absl::MutexLock lock(&mu_);
  return UsedLocked();
}

uint64_t FaultFileSystem::UsedLocked() const {
  std::set<const Node*> counted;
  uint64_t used = 0;
  const auto count = [&](const Node& node) {
    if (counted.insert(&node).second) used += node.file.size();
  };
  ForEachFile("", *root_, [&](const std::string&, Node& node) { count(node); });
  for (const auto& opened : opened_) {
    const NodePtr node = opened.lock();
    if (node != nullptr && node->handles > 0) count(*node);
  }
  return used;
}

absl::Status FaultFileSystem::CheckRoom(const Node& node, uint64_t new_size,
                                        const std::string& path) {
  if (new_size <= node.file.size() || capacity_ == UINT64_MAX) return absl::OkStatus();
  const uint64_t growth = new_size - node.file.size();
  const uint64_t used = UsedLocked();
  if (used <= capacity_ && growth <= capacity_ - used) return absl::OkStatus();
  return FileError(ENOSPC, "grow", path);
}

// ---------------------------------------------------------------------------------------------------
// Looking at and damaging stored bytes

FaultFileSystem::Node& FaultFileSystem::MustFind(const std::string& path) const {
  const NodePtr node = Find(path);
  if (node == nullptr || node->is_directory) {
    std::fprintf(stderr, "the test names a file that does not exist: %s\n", path.c_str());
    std::abort();
  }
  return *node;
}

void FaultFileSystem::FlipBit(const std::string& path, uint64_t offset, int bit) {
  absl::MutexLock lock(&mu_);
  DiskFile& file = MustFind(path).file;
  char byte;
  file.Read(offset, absl::MakeSpan(&byte, 1));
  file.Damage(offset, static_cast<char>(byte ^ (1 << bit)));
}

void FaultFileSystem::SetByte(const std::string& path, uint64_t offset, char value) {
  absl::MutexLock lock(&mu_);
  MustFind(path).file.Damage(offset, value);
}

void FaultFileSystem::FlipBitUnderCache(const std::string& path, uint64_t offset, int bit) {
  absl::MutexLock lock(&mu_);
  DiskFile& file = MustFind(path).file;
  char byte;
  file.ReadMedium(offset, absl::MakeSpan(&byte, 1));
  file.DamageUnderCache(offset, static_cast<char>(byte ^ (1 << bit)));
}

void FaultFileSystem::ZeroRange(const std::string& path, uint64_t offset, uint64_t length) {
  absl::MutexLock lock(&mu_);
  MustFind(path).file.Zero(offset, length);
}

void FaultFileSystem::ShrinkSize(const std::string& path, uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  DiskFile& file = MustFind(path).file;
  file.Shrink(file.size() - std::min(bytes, file.size()));
}

std::string FaultFileSystem::ReadWhole(const std::string& path) const {
  absl::MutexLock lock(&mu_);
  const DiskFile& file = MustFind(path).file;
  std::string bytes(file.size(), '\0');
  file.Read(0, absl::MakeSpan(bytes));
  return bytes;
}

bool FaultFileSystem::Exists(const std::string& path) const {
  absl::MutexLock lock(&mu_);
  return Find(path) != nullptr;
}

bool FaultFileSystem::HasUnsynced(const std::string& path) const {
  absl::MutexLock lock(&mu_);
  return MustFind(path).file.HasUnsynced();
}

void FaultFileSystem::ForEachFile(const std::string& path, const Node& directory,
                                  absl::FunctionRef<void(const std::string&, Node&)> visit) const {
  for (const auto& [name, node] : directory.entries) {
    const std::string entry_path = absl::StrCat(path, "/", name);
    if (node->is_directory) {
      ForEachFile(entry_path, *node, visit);
    } else {
      visit(entry_path, *node);
    }
  }
}

std::unique_ptr<FaultFileSystem> FaultFileSystem::CopyOfDisk(uint64_t seed) const {
  auto machine = std::make_unique<FaultFileSystem>(seed);
  absl::MutexLock lock(&mu_);
  absl::MutexLock lock_copy(&machine->mu_);
  machine->root_ = root_->Copy();
  return machine;
}

std::vector<std::string> FaultFileSystem::FilesBelow(const std::string& directory) const {
  absl::MutexLock lock(&mu_);
  std::vector<std::string> paths;
  const NodePtr node = Find(directory);
  if (node == nullptr || !node->is_directory) return paths;
  ForEachFile(directory, *node, [&](const std::string& path, Node&) { paths.push_back(path); });
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace walden::testing
