// One region on a machine that fails: the region is opened, the process or
// machine goes down, and the region is opened again. One thread.
//
// The disk may ask for another alignment of writes each time the region is opened.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/clock.h"
#include "engine/log_engine.h"
#include "tests/simulation/simulated_engine.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/random.h"

namespace walden::testing {

class RegionOnDisk {
 public:
  using Observer = std::function<void(const std::string& line)>;

  // `random` outlives it. `observe` is called with what happens to the region and, if
  // `every_operation`, with every file operation.
  RegionOnDisk(Random* random, SimulatedEngine engine, bool every_operation, Observer observe);
  ~RegionOnDisk();

  SimulatedEngine engine() const { return kind_; }
  FaultFileSystem& disk() { return disk_; }
  RegionLog& log() { return *log_; }
  void Note(const std::string& line) const { observe_(line); }

  // Makes the region.
  absl::Status Create(const RegionOptions& options);

  // Whether a call may have failed because something below failed.
  bool MayFail() const { return disk_.faults_hit() > 0 || disk_.crashed(); }

  // Lets the process or the machine go down at one of the next changes of the disk.
  void ArmCrash(uint64_t within);

  // The process or the machine goes down; no call fails from then on. `may_close`: the region may
  // be closed before. True if it was, which makes everything durable.
  bool GoDown(bool may_close);
  // Loses everything that was not synced, as in a power cut.
  void LoseUnsynced();

  // Opens the region; the process may go down again meanwhile.
  absl::Status OpenAgain(const RegionOptions& options);

  // Since the last call of Forget: whether power was lost, and whether it went down while opening.
  bool lost_power() const { return lost_power_; }
  bool opening_was_cut() const { return opening_was_cut_; }
  void Forget() { lost_power_ = opening_was_cut_ = false; }

  // The region's segment files.
  std::vector<std::string> Segments() const;

 private:
  class StillClock final : public Clock {
   public:
    absl::Duration Now() const override { return absl::ZeroDuration(); }
  };
  class StillWallClock final : public WallClock {
   public:
    int64_t UnixMillis() const override { return 1'700'000'000'000; }
  };

  absl::Status Open(const RegionOptions& options, bool create);
  absl::StatusOr<std::unique_ptr<LogEngine>> OpenEngine();
  PowerLoss RandomLoss();
  void EndProcess();

  Random* const random_;
  const SimulatedEngine kind_;
  const Observer observe_;
  StillClock clock_;
  StillWallClock wall_clock_;
  FaultFileSystem disk_;
  std::unique_ptr<LogEngine> engine_;
  std::unique_ptr<RegionLog> log_;
  bool lost_power_ = false;
  bool opening_was_cut_ = false;
};

}  // namespace walden::testing
