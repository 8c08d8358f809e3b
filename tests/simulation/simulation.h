// One random history of one engine on a machine that fails, all of it decided by one seed, in one
// thread, half of them through the daemon's actors: appends, marks, reads, reopenings, crashes at
// any file operation, failing calls, full disks, flipped bits. Whatever the log answers and holds
// is compared with RegionModel.
//
// In most histories no payload byte is zero: a sector of zeros inside a record looks as if it had
// never been written, and then a correct engine may take a flipped bit in what was written last for
// a torn tail. The others have such payloads: there the engine must still tell the two apart
// everywhere but in the last writes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/clock.h"
#include "engine/log_engine.h"
#include "tests/simulation/region_model.h"
#include "tests/simulation/region_writer.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/random.h"

namespace walden::testing {

class SimulatedClock final : public Clock {
 public:
  absl::Duration Now() const override { return now_; }
  void Advance(absl::Duration duration) { now_ += duration; }

 private:
  absl::Duration now_ = absl::ZeroDuration();
};

enum class SimulatedEngine {
  kSegment,
  // RocksDB has threads of its own, so that a seed does not replay every time; and a failed write
  // concerns all regions. So only appends, marks, reads, reopenings and crashes are simulated, and
  // flipped bits are left to tests/conformance.
  kRocksdb,
};

class Simulation {
 public:
  // `observe` is called with every step and, if `every_operation`, every file operation.
  Simulation(uint64_t seed, SimulatedEngine engine, bool every_operation,
             std::function<void(const std::string& line)> observe);
  ~Simulation();

  // OK, or what was wrong.
  absl::Status Run();

 private:
  struct Region {
    RegionId id = 0;
    RegionOptions options;
    TableId tables = 1;
    std::unique_ptr<RegionWriter> writer;
    const RegionLog& log() const { return writer->log(); }
    RegionModel model;
    uint64_t faults_before = 0;  // hit before it was opened
    bool lost_bytes = false;     // since the model was last compared with the reopened log
    bool disk_was_full = false;  // since it was opened
    std::vector<Batch> tagged;   // sent with a producer, for retries
    std::map<uint64_t, uint64_t> producers;  // ids that were issued, and the number to be sent next
  };

  // --- The machine (simulation.cc) ---
  void Note(const std::string& line);
  absl::Status Step();
  absl::Status OpenEverything();
  absl::Status OpenEngine();
  absl::StatusOr<std::unique_ptr<LogEngine>> TryOpenEngine();
  absl::Status OpenRegion(Region& region);
  absl::Status RecoverFromCrash();
  void StopProcess();
  Trouble TroubleOf(const Region& region) const;
  PowerLoss RandomLoss();
  void ArmCrash(uint64_t within);

  // --- What is done (simulation_steps.cc) ---
  absl::Status Append(Region& region);
  absl::Status OpenProducer(Region& region);
  absl::Status Mark(Region& region);
  absl::Status NoteDurable(Region& region);
  absl::Status Sync(Region& region);
  absl::Status Read(Region& region);
  absl::Status ReadWithErrors(Region& region);
  absl::Status Verify(Region& region);
  absl::Status Reopen(Region& region);
  void InjectFault();
  void FillOrEmptyDisk();
  void LiftLimits();  // of the disk's room, and faults to come
  Batch RandomBatch(Region& region);
  void TagRandomly(Region& region, Batch& batch);
  std::string RandomPayload(const Region& region);

  // --- Damage (simulation_damage.cc) ---
  absl::Status DamageCopies();
  absl::Status DamageOneCopy(Region& region, bool closed);
  absl::Status CompareDamaged(const Region& region, RegionLog& log, const std::string& path,
                              uint64_t offset, RecoveryPolicy policy, bool closed);

  const SimulatedEngine kind_;
  Random random_;
  const std::function<void(const std::string&)> observe_;
  FaultFileSystem disk_;
  SimulatedClock clock_;
  RandomExecutor background_;  // of the engine
  RandomExecutor turns_;       // of actors
  bool zeros_in_payloads_ = false;
  bool disk_limited_ = false;
  std::unique_ptr<LogEngine> engine_;
  std::vector<Region> regions_;
};

}  // namespace walden::testing
