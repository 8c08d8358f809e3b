// An in-memory FileSystem for tests: a machine that loses power, processes that are killed, disks
// that fill up, fail and rot. Everything random comes from one seed.
//
// The story of one crash, as a test tells it:
//
//   FaultFileSystem disk(/*seed=*/7);
//   ... open an engine on it, append ...
//   disk.CrashAt(3, Crash::kPowerCut);     // in the middle of the third change from now
//   ... append; it fails ...
//   disk.Restart();
//   ... open the engine again, look ...
//
// What survives a power cut: the contents of a file as of its last SyncData, its entry in a
// directory as of the last SyncDirectory, and of everything since then whatever PowerLoss says;
// directory operations of one directory survive in order. What survives Kill: everything.
//
// After a crash every call fails until Restart(), and what was opened before it (files, mappings,
// locks) stays dead. Any thread may call anything. The file system outlives all it hands out.
#pragma once

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/file_system.h"
#include "tests/support/disk_file.h"
#include "tests/support/random.h"

namespace walden::testing {

// A set of kinds of operations.
using FileOps = uint32_t;
namespace file_op {
inline constexpr FileOps kCreate = 1, kOpen = 2, kRead = 4, kWrite = 8, kSync = 16, kAllocate = 32,
                         kRename = 64, kRemove = 128, kSyncDirectory = 256, kList = 512,
                         kMap = 1024, kCreateDirectory = 2048, kLock = 4096;
// Everything that changes what the disk holds.
inline constexpr FileOps kChanges =
    kCreate | kWrite | kSync | kAllocate | kRename | kRemove | kSyncDirectory | kCreateDirectory;
inline constexpr FileOps kAny = ~FileOps{0};
}  // namespace file_op

// Calls that fail. A failed Write may have written a part that ends with a sector, a failed
// Allocate may have grown the file, a failed SyncData leaves some sectors on the medium and forgets
// that the others are not.
struct Fault {
  FileOps operations = file_op::kAny;
  uint64_t nth = 1;    // the n-th matching call from now, 1 = the next one
  uint64_t times = 1;  // that one and the next times-1 matching ones
  int error_number = EIO;
  std::string path_part;  // only calls whose path contains it

  static constexpr uint64_t kForever = UINT64_MAX / 2;
};

enum class Crash {
  kKill,      // the process dies; the kernel keeps all it was given
  kPowerCut,  // the machine dies
};

class FaultFileSystem final : public FileSystem {
 public:
  explicit FaultFileSystem(uint64_t seed = 1);
  ~FaultFileSystem() override;

  // --- Crashes ---

  void Kill() { CrashNow(Crash::kKill); }
  void PowerCut(PowerLoss loss = PowerLoss::kRandom);

  // The crash comes inside the n-th operation from now that changes something (1 = the next one).
  void CrashAt(uint64_t nth_change, Crash crash, PowerLoss loss = PowerLoss::kRandom);
  void CancelCrash();
  bool crashed() const;
  bool lost_power() const;  // by the crash that it is down from

  // Starts the machine and a new process again. After a kill, sectors that a failed sync left in
  // the cache may be gone.
  void Restart();

  // Operations so far that changed something, failed ones included.
  uint64_t changes() const;

  // Percent of writes after which the kernel writes back some unsynced sectors on its own.
  void SetWriteBack(uint64_t percent);

  // --- Failing calls ---

  void Inject(const Fault& fault);
  void FailNth(uint64_t nth, FileOps operations, int error_number);
  void FailAll(FileOps operations, int error_number);
  void ClearFaults();  // bad sectors too

  // How many calls failed by an injected fault so far.
  uint64_t faults_hit() const;

  // Reading these bytes is an I/O error, through files and mappings.
  void MakeUnreadable(const std::string& path, uint64_t offset, uint64_t length);

  // Room for all files together; growing past it is ENOSPC. Unlimited at first.
  void SetCapacity(uint64_t bytes);
  uint64_t UsedBytes() const;

  // Size of the file system, as programs are told; very large at first.
  void SetVolumeBytes(uint64_t bytes);

  // Makes the directory the root of another file system with this size and room. Its room does not
  // shrink with writes.
  void Mount(const std::string& directory, uint64_t total_bytes, uint64_t free_bytes);

  // Sets the time of writes from now on, which files report as their last write; the epoch at
  // first.
  void SetTime(absl::Time now);

  // Sets the write alignment that files report; 512 at first.
  void SetWriteAlignment(uint32_t bytes);

  // --- Damage to stored bytes. The path must be a file. ---

  void FlipBit(const std::string& path, uint64_t offset, int bit);
  void SetByte(const std::string& path, uint64_t offset, char value);
  void ZeroRange(const std::string& path, uint64_t offset, uint64_t length);
  void ShrinkSize(const std::string& path, uint64_t bytes);  // by so many
  // Flips a bit on the medium. Programs see the cached byte until power is cut, unless they open
  // the file to read from the medium.
  void FlipBitUnderCache(const std::string& path, uint64_t offset, int bit);
  std::string ReadWhole(const std::string& path) const;
  bool Exists(const std::string& path) const;
  bool HasUnsynced(const std::string& path) const;

  // Another machine with a copy of this disk as programs see it, all of it durable.
  std::unique_ptr<FaultFileSystem> CopyOfDisk(uint64_t seed) const;

  // Paths of all files below `directory`, sorted.
  std::vector<std::string> FilesBelow(const std::string& directory) const;

  // Called with each operation and how it ended, while the file system is locked.
  void SetTrace(std::function<void(const std::string& operation)> trace);

  // Called with each call that writes, before it does, while the file system is locked.
  using WriteObserver =
      std::function<void(const std::string& path, uint64_t offset, uint64_t bytes)>;
  void SetWriteObserver(WriteObserver observer);

  // Called before each opening of a file to be read from the medium, without a lock: it may use the
  // file system, and such openings in it call nothing. One thread sets it and opens such files.
  void SetMediumObserver(std::function<void()> observer) { on_medium_ = std::move(observer); }

  // Called before and after each Write and SyncData of the thread that sets it, without a lock: it
  // does what another thread may do during the call, also to the file system. What is written after
  // a sync did its work is not synced by it. Calls in it call nothing.
  void SetMeanwhile(std::function<void()> meanwhile);

  // --- FileSystem ---

  absl::StatusOr<std::unique_ptr<File>> CreateFile(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> OpenFile(const std::string& path, OpenMode mode) override;
  absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) override;
  absl::Status CreateDirectory(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status RemoveFile(const std::string& path) override;
  absl::Status RemoveDirectory(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(const std::string& path) override;
  absl::StatusOr<uint64_t> FileSize(const std::string& path) override;
  absl::StatusOr<absl::Time> LastWritten(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override;
  absl::StatusOr<uint64_t> TotalBytes(const std::string& path) override;
  absl::StatusOr<EntryKind> KindOf(const std::string& path) override;

 private:
  struct Node;
  class OpenedFile;
  class OpenedMapping;
  class HeldLock;
  using NodePtr = std::shared_ptr<Node>;

  // A rename from one directory to another, not yet durable. It is atomic: after a power cut the
  // node has exactly one of the names.
  struct Move {
    NodePtr node;
    NodePtr old_parent;
    NodePtr new_parent;
    std::string old_name;
    std::string new_name;
  };

  struct ArmedCrash {
    uint64_t countdown = 0;  // 0: none
    Crash crash = Crash::kKill;
    PowerLoss loss = PowerLoss::kRandom;
  };

  // Whether a crash is cutting the call that asks; read only inside `half_done`.
  bool IsCrashing() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return crashing_; }

  // Begins an operation: counts it, and lets it fail or crash. `half_done` does what a call that is
  // cut short may have done.
  absl::Status Begin(FileOps operation, const std::string& path,
                     absl::FunctionRef<void(Random&)> half_done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Begin(FileOps operation, const std::string& path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return Begin(operation, path, [](Random&) {});
  }
  absl::Status BeginUntraced(FileOps operation, const std::string& path,
                             absl::FunctionRef<void(Random&)> half_done)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int MatchFault(FileOps operation, const std::string& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckReadable(const Node& node, const std::string& path, uint64_t offset,
                             uint64_t length) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckRoom(const Node& node, uint64_t new_size, const std::string& path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<std::unique_ptr<File>> NewHandle(NodePtr node, const std::string& path,
                                                  OpenMode mode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void CrashNow(Crash crash);
  void CrashLocked(Crash crash, PowerLoss loss) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LosePower(Node& node, PowerLoss loss) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MakeMovesDurable(const NodePtr& directory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SettleMoves() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ForEachFile(const std::string& path, const Node& directory,
                   absl::FunctionRef<void(const std::string&, Node&)> visit) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void Unlock(Node& node);
  uint64_t UsedLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  NodePtr Find(const std::string& path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The directory that holds the path's last part, or null.
  NodePtr FindParent(const std::string& path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Node& MustFind(const std::string& path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  Random random_ ABSL_GUARDED_BY(mu_);
  NodePtr root_ ABSL_GUARDED_BY(mu_);
  absl::Time now_ ABSL_GUARDED_BY(mu_);
  std::vector<Move> moves_ ABSL_GUARDED_BY(mu_);
  std::vector<std::weak_ptr<Node>> opened_ ABSL_GUARDED_BY(mu_);  // may be without a name by now
  uint64_t process_ ABSL_GUARDED_BY(mu_) = 1;  // handles of an earlier one are dead
  bool crashed_ ABSL_GUARDED_BY(mu_) = false;
  bool lost_power_ ABSL_GUARDED_BY(mu_) = false;
  bool crashing_ ABSL_GUARDED_BY(mu_) = false;
  ArmedCrash armed_ ABSL_GUARDED_BY(mu_);
  std::vector<Fault> faults_ ABSL_GUARDED_BY(mu_);
  uint64_t faults_hit_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t changes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t write_back_percent_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t capacity_ ABSL_GUARDED_BY(mu_) = UINT64_MAX;
  uint32_t write_alignment_ ABSL_GUARDED_BY(mu_) = 512;
  struct MountedVolume {
    std::string directory;
    uint64_t total_bytes = 0;
    uint64_t free_bytes = 0;
  };
  // The mounted volume that the path is on; null if there is none.
  const MountedVolume* VolumeOf(const std::string& path) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<MountedVolume> mounted_ ABSL_GUARDED_BY(mu_);
  uint64_t volume_bytes_ ABSL_GUARDED_BY(mu_) = uint64_t{1} << 50;
  std::function<void(const std::string&)> trace_ ABSL_GUARDED_BY(mu_);
  WriteObserver on_write_ ABSL_GUARDED_BY(mu_);
  std::function<void()> on_medium_;

  void Meanwhile() ABSL_LOCKS_EXCLUDED(mu_);
  // The thread that set meanwhile_ and alone uses it.
  std::atomic<std::thread::id> meanwhile_thread_;
  std::function<void()> meanwhile_;
};

}  // namespace walden::testing
