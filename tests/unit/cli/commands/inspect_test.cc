// `walden inspect`, the real binary on files that the real engine wrote.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "cli/console/failure.h"
#include "cli/reports/region_inspection.h"
#include "engine/io/posix_file_system.h"
#include "engine/segment/segment_engine.h"
#include "engine/wait.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/commands/run_walden.h"

namespace walden::cli {
namespace {

namespace fs = std::filesystem;

class StoppedClock : public Clock {
 public:
  absl::Duration Now() const override { return absl::ZeroDuration(); }
};

class InspectTest : public testing::Test {
 protected:
  InspectTest() {
    char name[] = "/tmp/walden_inspect_test_XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~InspectTest() override { fs::remove_all(directory_); }

  // Region 5 with two tables, closed cleanly.
  void WriteRegion() {
    SegmentEngineOptions options;
    options.file_system = PosixFileSystem();
    options.clock = &clock_;
    options.data_directory = directory_;
    options.namespace_name = "default";
    options.spare_segments = 0;
    auto engine = SegmentEngine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    RegionOptions region;
    region.segment_size_bytes = 1u << 20;
    auto log = OpenRegionAndWait(**engine, 5, region, true);
    ASSERT_TRUE(log.ok()) << log.status();
    for (const TableId table : {1, 2, 1}) {
      AppendBatch batch;
      batch.tables = {{.table = table, .payloads = {"first payload", "second payload"}}};
      AppendBatch* group[] = {&batch};
      CommitAndWait(**log, group);
      ASSERT_TRUE(batch.result.status.ok()) << batch.result.status;
    }
    ASSERT_TRUE(MarkTableAndWait(**log, 1, 1, std::nullopt).ok());
    ASSERT_TRUE(CloseAndWait(**log).ok());
  }
  std::string RegionPath() const { return directory_ + "/default/5"; }
  void FlipByte(const std::string& file, std::streamoff offset) {
    std::fstream stream(RegionPath() + "/" + file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(offset);
    const char byte = static_cast<char>(stream.get() ^ 1);
    stream.seekp(offset);
    stream.put(byte);
  }
  // Where the payload is stored.
  std::streamoff PlaceOf(const std::string& file, const std::string& payload) {
    std::ifstream stream(RegionPath() + "/" + file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
    return static_cast<std::streamoff>(bytes.find(payload));
  }
  Outcome Inspect(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"inspect", RegionPath()});
    return RunWalden(more);
  }

  StoppedClock clock_;
  std::string directory_;
};

TEST_F(InspectTest, ASoundRegionIsShownWithoutADaemon) {
  WriteRegion();
  const Outcome outcome = Inspect();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find("next sequence 7, region version 0, closed cleanly\n"), 0u)
      << outcome.out;
  EXPECT_NE(outcome.out.find("table  live  next  deleted through\n"
                             "    1  2..6     7                1\n"
                             "    2  3..4     5                0\n"),
            std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("seg_0"), std::string::npos) << outcome.out;
}

TEST_F(InspectTest, TheRegionIsFoundByItsIdInANamespaceThatIsGivenByIdOrName) {
  WriteRegion();
  const std::string shown = Inspect().out;
  const auto inspect = [this](std::vector<std::string> more) {
    more.insert(more.begin(), {"inspect", "--data-dir", directory_, "--namespace"});
    return RunWalden(more);
  };
  EXPECT_EQ(inspect({"default", "--region", "5"}).out, shown);
  EXPECT_EQ(inspect({"1", "--region", "5"}).out, shown);
  const Outcome unknown = inspect({"9", "--region", "5"});
  EXPECT_EQ(unknown.exit_code, 7);
  EXPECT_NE(unknown.err.find("has no namespace with id 9; it has default (id 1)"),
            std::string::npos)
      << unknown.err;
  const Outcome which = inspect({"1"});
  EXPECT_EQ(which.exit_code, 2);
  EXPECT_NE(which.err.find("is of engine segment: give --region"), std::string::npos) << which.err;
}

TEST_F(InspectTest, AnUnknownNameOfANamespaceBringsTheNearestOne) {
  WriteRegion();
  const std::vector<std::vector<std::string>> commands = {
      {"inspect", "--region", "5"}, {"adopt"}, {"migrate", "--to", "rocksdb"}};
  for (std::vector<std::string> command : commands) {
    command.insert(command.end(), {"--data-dir", directory_, "--namespace"});
    const auto run = [&command](const std::string& name) {
      std::vector<std::string> arguments = command;
      arguments.push_back(name);
      return RunWalden(arguments);
    };
    const Outcome slip = run("defualt");
    EXPECT_EQ(slip.exit_code, 7) << command[0];
    EXPECT_NE(slip.err.find("has no namespace \"defualt\", did you mean default?"),
              std::string::npos)
        << slip.err;
    const Outcome other = run("archive");
    EXPECT_EQ(other.exit_code, 7) << command[0];
    EXPECT_NE(other.err.find("has no namespace \"archive\"; it has default (id 1)"),
              std::string::npos)
        << other.err;
  }
}

// Format version 1 and HoraeDB store no identity.
TEST_F(InspectTest, ANamespaceWithoutAnIdentityIsFoundByTheNameOfItsDirectory) {
  WriteRegion();
  fs::create_directories(directory_ + "/older/7");
  const Outcome slip =
      RunWalden({"inspect", "--data-dir", directory_, "--namespace", "odler", "--region", "7"});
  EXPECT_EQ(slip.exit_code, 7);
  EXPECT_NE(slip.err.find("did you mean older?"), std::string::npos) << slip.err;
  const Outcome found =
      RunWalden({"inspect", "--data-dir", directory_, "--namespace", "older", "--region", "7"});
  EXPECT_EQ(found.err.find("has no namespace"), std::string::npos) << found.err;
}

TEST_F(InspectTest, JsonHasTheSame) {
  WriteRegion();
  const auto region = nlohmann::json::parse(Inspect({"--json"}).out);
  EXPECT_EQ(region["next_sequence"], 7);
  EXPECT_EQ(region["tables"][1]["first_live_sequence"], 3);
  EXPECT_EQ(region["segments"][0]["file"], "seg_0");
  EXPECT_EQ(region["segments"][0]["records"], 6);
  EXPECT_EQ(region["segments"][0]["damaged_ranges"], nlohmann::json::array());
}

TEST_F(InspectTest, DamageIsShownWithItsRangeAndIsExitCode4) {
  WriteRegion();
  FlipByte("seg_0", PlaceOf("seg_0", "second payload"));
  const Outcome outcome = Inspect();
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(outcome.out.find("DAMAGED"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("seg_0: damaged: bytes ["), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.err.find("DAMAGE_FOUND"), std::string::npos) << outcome.err;
}

TEST_F(InspectTest, MetadataThatCannotBeUsedLeavesWhatTheSegmentsTell) {
  WriteRegion();
  FlipByte("metadata", 10);
  const Outcome outcome = Inspect();
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(outcome.out.find("metadata cannot be used"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("seg_0"), std::string::npos) << outcome.out;
}

TEST_F(InspectTest, ADirectoryThatIsNoRegionIsExitCode7) { EXPECT_EQ(Inspect().exit_code, 7); }

TEST(FromEngine, ReasonAndMetadataStay) {
  const absl::Status status = FromEngine(MakeError(
      absl::StatusCode::kDataLoss, ErrorReason::kCorruption, "bad bytes", {{"file", "seg_0"}}));
  EXPECT_TRUE(HasReason(status, "CORRUPTION"));
  EXPECT_EQ(ErrorInfoOf(status)->metadata().at("file"), "seg_0");
  EXPECT_EQ(status.message(), "bad bytes");
}

}  // namespace
}  // namespace walden::cli
