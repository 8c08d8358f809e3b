// A directory that another program opened since Walden did.
#include "engine/rocksdb/directory/adopt.h"

#include <map>

#include "engine/rocksdb/keys/key_codec.h"
#include "rocksdb/db.h"
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
    ASSERT_TRUE(log_->Close().ok());
    Stop();
  }

  // What HoraeDB does: RocksDB opens the directory, and one more record is written.
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

  absl::StatusOr<rocks::AdoptedNamespace> Adopt(std::optional<NamespaceId> id = std::nullopt) {
    const std::unique_ptr<rocksdb::Env> env = testing::MakeRocksdbEnv(&disk_);
    return rocks::AdoptDirectory(&disk_, env.get(), "/data/default", id);
  }

  std::map<std::string, std::string> Contents() {
    std::map<std::string, std::string> contents;
    for (const std::string& path : disk_.FilesBelow("/data/default")) {
      if (!absl::EndsWith(path, "/LOCK")) contents[path] = disk_.ReadWhole(path);
    }
    return contents;
  }
};

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

TEST_F(RocksdbAdoptTest, AnIdThatNoRecordHasIsRefused) {
  EXPECT_TRUE(HasReason(Adopt(9).status(), ErrorReason::kWrongNamespace)) << Adopt(9).status();
}

// Marks are stored by region and table, without a namespace.
TEST_F(RocksdbAdoptTest, AnotherNamespaceInTheDirectoryIsNotTakenForTheOneThatWaldenMarked) {
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  Append(7, "marked");
  ASSERT_TRUE(log_->MarkDeleted(7, 2, std::nullopt).ok());
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
  ASSERT_TRUE(Adopt().ok());
  OpenEngine();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReadTable(*log_, 7)->size(), 1u);
}

}  // namespace
}  // namespace walden
