// A directory that another program opened since Walden did.
#include "engine/rocksdb/directory/adopt.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/wait.h"
#include "rocksdb/db.h"
#include "tests/support/settable_wall_clock.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

using testing::ReadTable;

class RocksdbAdoptTest : public RocksdbTest {
 protected:
  void SetUp() override {
    RocksdbTest::SetUp();
    ASSERT_TRUE(Open().ok());
    Append(7, "by Walden");
    ASSERT_TRUE(CloseAndWait(*log_).ok());
    Stop();
  }

  // Opens the directory with RocksDB and writes one more record, as HoraeDB does.
  void WriteElsewhere() {
    const std::unique_ptr<rocksdb::Env> env = testing::MakeRocksdbEnv(&disk_);
    rocksdb::Options options;
    options.env = env.get();
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options, "/data/default", &opened);
    ASSERT_TRUE(status.ok()) << status.ToString();
    const std::unique_ptr<rocksdb::DB> db(opened);
    const std::string value = std::string(1, '\0') + "by another program";
    ASSERT_TRUE(db->Put({}, rocks::EncodeLogKey({1, 1, 7, 2}), value).ok());
  }

  absl::StatusOr<rocks::AdoptedNamespace> Adopt(std::optional<NamespaceId> id = std::nullopt,
                                                bool accept_loss = false) {
    const std::unique_ptr<rocksdb::Env> env = testing::MakeRocksdbEnv(&disk_);
    return rocks::AdoptDirectory(&disk_, env.get(), "/data/default", {id, accept_loss});
  }

  // Leaves the directory closed, with six records of which three are marked deleted. The log holds five.
  void LeaveRecordsInTheLog() {
    OpenEngine();
    ASSERT_TRUE(Open().ok());
    for (int i = 0; i < 5; ++i) Append(7, absl::StrCat("record ", i, std::string(200, 'x')));
    ASSERT_TRUE(MarkTableAndWait(*log_, 7, 3, std::nullopt).ok());
    ASSERT_TRUE(NoteDurableAndWait(*log_).ok());
    Stop();
  }

  std::string LogWith(absl::string_view bytes) {
    for (const std::string& file : Files(".log")) {
      if (absl::StrContains(disk_.ReadWhole(file), bytes)) return file;
    }
    ADD_FAILURE() << "no log holds " << bytes;
    return "";
  }

  void Replace(const std::string& file, absl::string_view bytes) {
    (void)disk_.RemoveFile(file);
    auto made = disk_.CreateFile(file);
    ASSERT_TRUE(made.ok()) << made.status();
    if (!bytes.empty()) {
      ASSERT_TRUE((*made)->Write(0, {bytes}).ok());
    }
    ASSERT_TRUE((*made)->SyncData().ok());
  }

  // Adoption refuses the directory as an opening does, and changes nothing in it.
  void ExpectRefusedAsByAnOpening() {
    OpenEngine();
    const absl::Status opened = Open();
    Stop();
    EXPECT_TRUE(absl::IsDataLoss(opened)) << opened;
    const auto before = Contents();
    const absl::Status adopted = Adopt().status();
    EXPECT_TRUE(absl::IsDataLoss(adopted)) << adopted;
    EXPECT_EQ(absl::StrCat("namespace default: ", adopted.message()), opened.message());
    EXPECT_TRUE(before == Contents()) << "the directory was changed";
  }

  std::map<std::string, std::string> Contents() {
    std::map<std::string, std::string> contents;
    for (const std::string& path : disk_.FilesBelow("/data/default")) {
      if (!absl::EndsWith(path, "/LOCK")) contents[path] = disk_.ReadWhole(path);
    }
    return contents;
  }
};

// Nobody knows when the other program appended its records.
TEST_F(RocksdbAdoptTest, RecordsOfAnotherProgramAreOlderThanTheOpeningAfterTheAdoption) {
  testing::SettableWallClock time(absl::Now());
  WriteElsewhere();
  ASSERT_TRUE(Adopt().ok());
  time.Advance(absl::Hours(2));
  wall_clock_ = &time;
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  EXPECT_LE(*log_->FirstSince(7, time.now() - absl::Hours(1)), 2u);
  EXPECT_LE(*log_->FirstSince(7, time.now()), 2u);
  EXPECT_EQ(*log_->FirstSince(7, time.now() + absl::Seconds(1)), 3u);
}

TEST_F(RocksdbAdoptTest, AChangedDirectoryIsRefusedUntilItIsAdopted) {
  WriteElsewhere();
  const auto before = Contents();
  OpenEngine();
  EXPECT_TRUE(HasReason(Open(), ErrorReason::kChangedElsewhere));
  Stop();
  EXPECT_TRUE(before == Contents()) << "the directory was changed";

  const auto adopted = Adopt();
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(adopted->id, 1);
  EXPECT_EQ(adopted->name, "default");
  EXPECT_EQ(adopted->regions, 1u);
  EXPECT_EQ(adopted->tables, 1u);
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    OpenEngine();
    ASSERT_TRUE(Open().ok());
    const auto records = ReadTable(*log_, 7);
    ASSERT_TRUE(records.ok()) << records.status();
    ASSERT_EQ(records->size(), 2u);
    EXPECT_EQ((*records)[1].payload, "by another program");
    Stop();
  }
}

TEST_F(RocksdbAdoptTest, ADirectoryThatIsOpenIsNotAdopted) {
  OpenEngine();
  EXPECT_TRUE(HasReason(Adopt().status(), ErrorReason::kLocked));
}

TEST_F(RocksdbAdoptTest, DamageThatTheFilesShowIsNotAdopted) {
  ASSERT_TRUE(disk_.RemoveFile("/data/default/CURRENT").ok());
  EXPECT_TRUE(absl::IsDataLoss(Adopt().status())) << Adopt().status();
}

TEST_F(RocksdbAdoptTest, ALogThatIsTooShortIsOnlyAdoptedIfTheLossIsAccepted) {
  LeaveRecordsInTheLog();
  const std::string log = LogWith("record 1");
  const std::string bytes = disk_.ReadWhole(log);
  Replace(log, absl::string_view(bytes).substr(0, bytes.find("record 1") + 50));
  ExpectRefusedAsByAnOpening();

  const auto adopted = Adopt(std::nullopt, /*accept_loss=*/true);
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_TRUE(adopted->is_compared);
  ASSERT_EQ(adopted->lost.size(), 2u);
  EXPECT_TRUE(absl::StrContains(adopted->lost[1], " durable bytes")) << adopted->lost[1];
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReadTable(*log_, 7)->size(), 2u);
}

TEST_F(RocksdbAdoptTest, AMissingLogIsOnlyAdoptedIfTheLossIsAccepted) {
  LeaveRecordsInTheLog();
  const std::string log = LogWith("record 1");
  ASSERT_TRUE(disk_.RemoveFile(log).ok());
  ExpectRefusedAsByAnOpening();
  const auto adopted = Adopt(std::nullopt, /*accept_loss=*/true);
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  ASSERT_EQ(adopted->lost.size(), 2u);
  EXPECT_TRUE(absl::StrContains(adopted->lost[1], " is missing")) << adopted->lost[1];
}

TEST_F(RocksdbAdoptTest, OlderCopiesOfAllOtherFilesAreRefused) {
  const auto older = Contents();
  LeaveRecordsInTheLog();
  const std::string companion = "/data/default/walden_files";
  for (const auto& [file, bytes] : Contents()) {
    if (file == companion) continue;
    ASSERT_TRUE(disk_.RemoveFile(file).ok());
  }
  for (const auto& [file, bytes] : older) {
    if (file != companion) Replace(file, bytes);
  }
  ExpectRefusedAsByAnOpening();
}

// The change itself hides no damage.
TEST_F(RocksdbAdoptTest, AMissingLogIsNoticedInADirectoryThatAnotherProgramChanged) {
  LeaveRecordsInTheLog();
  Replace("/data/default/900000.sst", "of another program");
  ASSERT_TRUE(disk_.RemoveFile(LogWith("record 1")).ok());
  EXPECT_TRUE(absl::IsDataLoss(Adopt().status())) << Adopt().status();
}

TEST_F(RocksdbAdoptTest, LogsThatAnotherProgramTookIntoTablesAreNotMissed) {
  LeaveRecordsInTheLog();
  WriteElsewhere();
  const auto adopted = Adopt();
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_TRUE(adopted->is_compared);
  EXPECT_TRUE(adopted->lost.empty());
}

TEST_F(RocksdbAdoptTest, ALogOfAnotherProgramThatIsMissingIsNoLossOfWaldens) {
  LeaveRecordsInTheLog();
  WriteElsewhere();
  ASSERT_TRUE(disk_.RemoveFile(LogWith("by another program")).ok());
  EXPECT_TRUE(Adopt().ok()) << Adopt().status();
}

TEST_F(RocksdbAdoptTest, AnIdThatNoRecordHasIsRefused) {
  EXPECT_TRUE(HasReason(Adopt(9).status(), ErrorReason::kWrongNamespace)) << Adopt(9).status();
}

// Marks are stored by region and table, without a namespace.
TEST_F(RocksdbAdoptTest, AnotherNamespaceInTheDirectoryIsNotTakenForTheOneThatWaldenMarked) {
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  Append(7, "marked");
  ASSERT_TRUE(MarkTableAndWait(*log_, 7, 2, std::nullopt).ok());
  Stop();
  {
    const std::unique_ptr<rocksdb::Env> env = testing::MakeRocksdbEnv(&disk_);
    rocksdb::Options options;
    options.env = env.get();
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, "/data/default", &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    const std::string value = std::string(1, '\0') + "of namespace 2";
    ASSERT_TRUE(db->Put({}, rocks::EncodeLogKey({2, 1, 7, 1}), value).ok());
  }
  EXPECT_TRUE(HasReason(Adopt(2).status(), ErrorReason::kWrongNamespace)) << Adopt(2).status();
  EXPECT_TRUE(Adopt(1).ok());
}

TEST_F(RocksdbAdoptTest, ALostCompanionFileIsMadeAgain) {
  ASSERT_TRUE(disk_.RemoveFile("/data/default/walden_files").ok());
  const auto adopted = Adopt();
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_FALSE(adopted->is_compared);
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReadTable(*log_, 7)->size(), 1u);
}

}  // namespace
}  // namespace walden
