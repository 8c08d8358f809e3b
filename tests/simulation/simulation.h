// One random history of one engine on a machine that fails, all of it decided by one seed, in one
// thread, half of the regions written through the daemon's actors: several namespaces with several
// regions each, appends, marks, reads, reopenings, regions dropped and made again, crashes at any
// file operation, failing calls, full disks, and in the end damage. Operations are begun one by one,
// or in pipelines: further ones while others are under way, between two steps of these, in their
// answers, and, with the segment engine, in the middle of a write or a sync, as another thread would
// do. The logs' answers and contents are compared with RegionModel.
//
// A wide history has regions of hundreds of tables.
//
// In most histories no payload byte is zero. A sector of zeros inside a record looks as if it had
// never been written, and then a correct engine may take a flipped bit in the last writes for a
// torn tail. The other histories have such payloads: there the engine must distinguish the two
// everywhere but in the last writes.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "engine/log_engine.h"
#include "tests/simulation/damaged_region.h"
#include "tests/simulation/operation.h"
#include "tests/simulation/region_model.h"
#include "tests/simulation/region_writer.h"
#include "tests/simulation/simulated_engine.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/random.h"
#include "tests/support/settable_wall_clock.h"

namespace walden::testing {

class SimulatedClock final : public Clock {
 public:
  absl::Duration Now() const override { return now_; }
  void Advance(absl::Duration duration) { now_ += duration; }

 private:
  absl::Duration now_ = absl::ZeroDuration();
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
  struct Namespace {
    std::string name;
    NamespaceId id = 1;
    std::unique_ptr<LogEngine> engine;
    // RocksDB: by table id, the highest number that any region was given. Dropping a region does
    // not take it back.
    std::map<TableId, SequenceNumber> given;
  };

  enum class Existence {
    kNo,
    kMaybe,  // making or dropping it was not answered with OK
    kYes,
  };

  // An operation that was begun, and not answered.
  struct UnderWay {
    std::shared_ptr<Operation> operation;
    RegionModel::Moment begun;
    std::vector<SequenceNumber> ends_before;  // of the tables of its marks (RegionModel::CheckMark)
  };

  struct Region {
    RegionId id = 0;
    Namespace* home = nullptr;
    RegionOptions options;
    TableId tables = 1;
    Existence exists = Existence::kNo;
    std::unique_ptr<RegionWriter> writer;  // null: it is not open
    const RegionLog& log() const { return writer->log(); }
    std::deque<UnderWay> under_way;  // in the order in which they were begun
    absl::Status wrong;              // with an answer
    RegionModel model;
    uint64_t faults_before = 0;  // hit before it was opened
    bool lost_bytes = false;     // since the model was last compared with the reopened log
    bool disk_was_full = false;  // since it was opened
    std::vector<Batch> tagged;   // sent with a producer, for retries
    std::map<uint64_t, uint64_t> producers;  // ids that were issued, and the number to be sent next
    uint64_t lone_tables = 0;                // tables that got one batch each

    std::string name() const { return home->name + "/" + std::to_string(id); }
    bool wide() const { return tables > 100; }
  };

  // --- The machine (simulation.cc) ---
  void Note(const std::string& line);
  absl::Status Step();
  absl::Status StepOfMachine(uint64_t choice);
  void KeepHouse();
  void PassTime();
  absl::Status RecoverFromCrash();
  absl::Status RestartProcess();
  void StopProcess();
  Trouble TroubleOf(const Region& region) const;
  PowerLoss RandomLoss();
  void ArmCrash(uint64_t within);

  // --- Namespaces and their regions (simulation_regions.cc) ---
  void ChooseRegions();
  absl::Status OpenEverything();
  absl::Status OpenNamespace(Namespace& space);
  absl::StatusOr<std::unique_ptr<LogEngine>> TryOpenNamespace(const Namespace& space);
  // Opens it if it exists.
  absl::Status OpenExisting(Region& region);
  absl::Status CreateOrOpen(Region& region);
  absl::Status Drop(Region& region);
  absl::StatusOr<std::unique_ptr<RegionLog>> OpenLog(Region& region, bool create);
  absl::Status Use(Region& region, std::unique_ptr<RegionLog> log);
  void Forget(Region& region);
  absl::Status CheckGiven(Region& region, const std::vector<BatchResult>& results,
                          const std::vector<Batch>& group);
  void RaiseGiven(Region& region);

  // --- Operations, one by one and in pipelines (simulation_pipeline.cc) ---
  // Whether a commit is under way that appends to the table.
  static bool IsUnderWay(const Region& region, TableId table);
  void Begin(Region& region, std::shared_ptr<Operation> operation);
  // Begins it, and does everything that is under way.
  absl::Status Do(Region& region, std::shared_ptr<Operation> operation);
  absl::Status Drain(Region& region);
  void OnAnswer(Region& region);
  void EndOperations();
  absl::Status TakeWrong();
  // `answered`: otherwise the answer is that nothing is known.
  absl::Status Check(Region& region, const UnderWay& item, bool answered);
  absl::Status CheckCommit(Region& region, const UnderWay& item, bool answered);
  absl::Status CheckMarks(Region& region, const UnderWay& item);
  // Begins operations while others are under way. `may_go_down`: the machine, and the region.
  absl::Status Pipeline(Region& region, bool may_go_down = true);
  void StepOfPipeline(Region& region);
  void EndPipeline();
  void Meanwhile();
  void BeginNext(Region& region);
  void GoDown();
  SequenceNumber ExpectedNext(const Region& region, TableId table) const;

  // --- Writing and closing (simulation_steps.cc) ---
  void NoteBatch(const Region& region, const Batch& batch);
  absl::Status Append(Region& region);
  absl::Status OpenProducer(Region& region);
  absl::Status Commit(Region& region, const std::vector<Batch>& group);
  absl::Status NoteDurable(Region& region);
  absl::Status Sync(Region& region);
  absl::Status Reopen(Region& region);
  absl::Status CloseForReopening(Region& region);
  void InjectFault();
  void FillOrEmptyDisk();
  void LiftLimits();  // of the disk's room, and faults to come

  // --- Marks and fences (simulation_marks.cc) ---
  absl::Status Mark(Region& region);
  absl::Status MarkAll(Region& region, const std::vector<TableMark>& marks,
                       std::optional<uint64_t> version);
  SequenceNumber RandomMark(const Region& region, TableId table);
  int64_t RandomTime(const Region& region);
  absl::StatusOr<SequenceNumber> FirstSince(Region& region, TableId table, int64_t micros);
  absl::Status SeekByTime(Region& region, TableId table);
  absl::Status MarkBefore(Region& region, TableId table);
  absl::Status Retain(Region& region);
  absl::Status Fence(Region& region);
  absl::Status FenceWith(Region& region, uint64_t version);
  absl::Status ProbeFence(Region& region);

  // --- Reads (simulation_reads.cc) ---
  absl::Status Read(Region& region);
  absl::Status ReadLast(Region& region, TableId table);
  absl::Status TakeCut(Region& region);
  absl::Status ReadWithErrors(Region& region);
  absl::Status Verify(Region& region);
  absl::Status VerifyBesideAppends(Region& region, const std::function<absl::Status()>& verify,
                                   absl::Status* written);

  // --- What is written (simulation_payloads.cc) ---
  Batch RandomBatch(Region& region);
  void AddTables(Region& region, Batch& batch);
  void TagRandomly(Region& region, Batch& batch);
  std::string RandomPayload(const Region& region);
  absl::Status AppendToManyTables(Region& region);
  absl::Status MarkManyTables(Region& region);

  // --- Damage (simulation_damage.cc) ---
  absl::Status DamageCopies();
  absl::Status AppendLargeRecords(Region& region);
  absl::Status LeaveUnderWay(Region& region);
  absl::StatusOr<std::unique_ptr<LogEngine>> OpenOnCopy(FaultFileSystem& copy,
                                                        const std::string& name);
  absl::Status DamageOneCopy(Region& region, bool closed);
  // The bytes that were damaged; none if they did not change.
  struct Harm {
    std::string path;
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  std::optional<Harm> FlipABit(const Region& region, FaultFileSystem& disk);
  std::optional<Harm> MakeAHole(const Region& region, FaultFileSystem& disk);
  absl::Status OpenDamaged(const Region& region, FaultFileSystem& disk, const Harm& harm,
                           RecoveryPolicy policy, bool closed);
  absl::Status CompareDamaged(const Region& region, RegionLog& log, const Harm& harm,
                              RecoveryPolicy policy, bool closed);
  absl::Status SeekBesideDamage(const Region& region, const RegionLog& log);
  // Goes on using a region with a quarantined range. More bytes may be damaged meanwhile.
  absl::Status LiveWithDamage(const Region& region, FaultFileSystem& disk, LogEngine& engine,
                              std::unique_ptr<RegionLog> log, const RegionOptions& options);
  absl::Status UseDamaged(DamagedRegion& damaged, RegionLog& log, TableId table, uint64_t choice);
  // Damages a record of a region that is open, on a copy of the disk: Verify must report it.
  absl::Status VerifyHarmed(const Region& region);

  // --- Loss that an operator accepts (simulation_adopt.cc) ---
  absl::Status AdoptCopies();
  absl::Status AdoptOneCopy(const Namespace& space);
  absl::Status OpenAdopted(const Namespace& space, FaultFileSystem& disk);
  absl::Status CompareAdopted(const RegionModel& model, const RegionLog& log);

  const SimulatedEngine kind_;
  Random random_;
  const std::function<void(const std::string&)> observe_;
  FaultFileSystem disk_;
  SimulatedClock clock_;
  SettableWallClock wall_clock_;
  int64_t latest_micros_ = 0;  // of wall_clock_, ever
  RandomExecutor background_;  // of the engine
  uint64_t background_percent_ = 30;
  RandomExecutor turns_;  // of actors
  struct {
    Region* region = nullptr;  // null: there is none
    uint64_t left = 0;         // operations to begin
    bool closes = false;       // with the last of them
    bool is_closing = false;
    bool may_go_down = false;
    uint64_t step_percent = 40;    // of what is done beside beginning operations
    uint64_t commit_percent = 70;  // of the operations
    uint64_t expect_percent = 12;  // of the batches
  } pipeline_;
  bool zeros_in_payloads_ = false;
  bool large_records_ = false;
  bool noted_ = false;  // the damaged region was idle before it was killed
  bool disk_limited_ = false;
  std::string newest_before_last_append_;  // segment file that held the end then
  uint64_t end_before_last_append_ = 0;
  std::string large_record_file_;  // segment file in which one of the large records begins, there:
  uint64_t large_record_begin_ = 0;
  std::vector<std::unique_ptr<Namespace>> namespaces_;
  std::vector<Region> regions_;
};

}  // namespace walden::testing
