// A directory as HoraeDB 2.1 leaves it: log keys and MaxSeq keys, written here from the format's
// text alone, and nothing of Walden's.
#include "engine/wait.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"
#include "tests/support/settable_wall_clock.h"
#include "tests/unit/engine/rocksdb/rocksdb_fixture.h"

namespace walden {
namespace {

std::string U64(uint64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

class HoraedbTest : public RocksdbTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.CreateDirectory("/data").ok());
    ASSERT_TRUE(disk_.CreateDirectory("/data/default").ok());
    env_ = testing::MakeRocksdbEnv(&disk_);
    rocksdb::Options options;
    options.env = env_.get();
    options.create_if_missing = true;
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, "/data/default", &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    for (uint64_t number = 11; number <= 15; ++number) {
      ASSERT_TRUE(db->Put({}, '\1' + U64(3) + U64(7) + U64(number) + '\0',
                          '\0' + std::string("payload ") + std::to_string(number))
                      .ok());
    }
    const std::string max_seq = std::string(2, '\0');
    ASSERT_TRUE(db->Put({}, max_seq + U64(7) + '\0', '\0' + U64(10)).ok());
    ASSERT_TRUE(db->Put({}, max_seq + U64(8) + '\0', '\0' + U64(90)).ok());  // all of it deleted
  }

  std::string LogName() {
    const std::vector<std::string> names = *disk_.ListDirectory("/data/default");
    for (const std::string& name : names) {
      if (absl::EndsWith(name, ".log")) return name;
    }
    return "";
  }
};

TEST_F(HoraedbTest, ItOpensInPlaceWithItsRecordsNumbersAndMarks) {
  OpenEngine();
  EXPECT_EQ(*engine_->ListRegions(), std::vector<RegionId>{3});
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    if (again) OpenEngine();
    ASSERT_TRUE(Open(3).ok());
    const auto records = testing::ReadTable(*log_, 7);
    ASSERT_TRUE(records.ok()) << records.status();
    ASSERT_EQ(records->size(), again ? 6u : 5u);
    EXPECT_EQ((*records)[0].sequence, 11u);
    EXPECT_EQ((*records)[4].payload, "payload 15");
    EXPECT_EQ(log_->Position(7).deleted_through, 10u);
    if (!again) {
      EXPECT_EQ(Append(7, "Walden's").first, 16u);
    }
    ASSERT_TRUE(CloseAndWait(*log_).ok());
  }
}

// HoraeDB stores no append times. Its records were appended by the time of the first opening.
TEST_F(HoraedbTest, ItsRecordsAreOlderThanTheFirstOpening) {
  testing::SettableWallClock time;
  const absl::Time opened = time.now();
  wall_clock_ = &time;
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    OpenEngine();
    ASSERT_TRUE(Open(3).ok());
    const auto first = [&](absl::Time since) { return *log_->FirstSince(7, since); };
    EXPECT_EQ(first(absl::InfinitePast()), 11u);
    EXPECT_EQ(first(opened - absl::Hours(1)), 11u);
    EXPECT_EQ(first(opened), 11u);
    EXPECT_EQ(first(opened + absl::Seconds(1)), 16u);
    EXPECT_EQ(log_->Usage().oldest->appended_unix_micros, absl::ToUnixMicros(opened));
    ASSERT_TRUE(CloseAndWait(*log_).ok());
    time.Advance(absl::Hours(1));
  }
  OpenEngine();
  ASSERT_TRUE(Open(3).ok());
  Append(7, "Walden's");
  EXPECT_EQ(*log_->FirstSince(7, opened + absl::Seconds(1)), 16u);
  EXPECT_EQ(*log_->FirstSince(7, time.now() + absl::Seconds(1)), 17u);
}

// A clock that is set forward later must not make young records old.
TEST_F(HoraedbTest, ItsRecordsAreNotOlderThanItsFilesWhereTheClockIsBehind) {
  testing::SettableWallClock time;
  const absl::Time written = time.now() + absl::Hours(24 * 400);
  disk_.SetTime(written);
  const auto file = disk_.OpenFile("/data/default/" + LogName(), FileSystem::OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok()) << file.status();
  char first = 0;
  ASSERT_TRUE((*file)->Read(0, absl::MakeSpan(&first, 1)).ok());
  ASSERT_TRUE((*file)->Write(0, {{absl::string_view(&first, 1)}}).ok());
  disk_.SetTime(time.now());
  wall_clock_ = &time;
  // The first opening writes new files, whose times are as wrong as the clock.
  OpenEngine();
  OpenEngine();
  ASSERT_TRUE(Open(3).ok());
  EXPECT_EQ(*log_->FirstSince(7, written), 11u);
  EXPECT_EQ(*log_->FirstSince(7, written + absl::Seconds(1)), 16u);
}

TEST_F(HoraedbTest, NumbersOfATableWhoseRecordsAreAllGoneGoOn) {
  OpenEngine();
  ASSERT_TRUE(Open(3).ok());
  EXPECT_EQ(Append(8, "first again").first, 91u);
}

TEST_F(HoraedbTest, WhatWaldenWritesThereIsWhatHoraedbReads) {
  OpenEngine();
  ASSERT_TRUE(Open(3).ok());
  Append(7, "Walden's");
  ASSERT_TRUE(MarkTableAndWait(*log_, 7, 12, std::nullopt).ok());
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  Stop();
  rocksdb::Options options;
  options.env = env_.get();
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, "/data/default", &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::string value;
  ASSERT_TRUE(db->Get({}, '\1' + U64(3) + U64(7) + U64(16) + '\0', &value).ok());
  EXPECT_EQ(value, '\0' + std::string("Walden's"));
  ASSERT_TRUE(db->Get({}, std::string(2, '\0') + U64(7) + '\0', &value).ok());
  EXPECT_EQ(value, '\0' + U64(12));
}

// HoraeDB knows no marks but the numbers that its own manifest says were flushed: it finds what no
// compaction has taken out yet, and nothing of it later.
TEST_F(HoraedbTest, MarkedRecordsAreThereForHoraedbUntilTheirSpaceIsReclaimed) {
  const auto find = [&](uint64_t number) {
    rocksdb::Options options;
    options.env = env_.get();
    rocksdb::DB* opened = nullptr;
    EXPECT_TRUE(rocksdb::DB::OpenForReadOnly(options, "/data/default", &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    std::string value;
    return db->Get({}, '\1' + U64(3) + U64(7) + U64(number) + '\0', &value).ok();
  };
  for (const bool reclaim : {false, true}) {
    OpenEngine();
    ASSERT_TRUE(Open(3).ok());
    ASSERT_TRUE(MarkTableAndWait(*log_, 7, 12, std::nullopt).ok());
    if (reclaim) {
      ASSERT_TRUE(engine_->ReclaimNow().ok());
    }
    ASSERT_TRUE(CloseAndWait(*log_).ok());
    Stop();
    EXPECT_EQ(find(12), !reclaim);
    EXPECT_TRUE(find(13));
  }
}

// Its numbers lie below the mark that HoraeDB left of a table of the same id.
TEST_F(HoraedbTest, ALogThatIsBroughtAlongIsNotHiddenByAMarkOfHoraedbs) {
  OpenEngine();
  auto log = OpenRegion(4);
  ASSERT_TRUE(log.ok()) << log.status();
  log_ = *std::move(log);
  testing::Batch batch{.table = 8, .payloads = {"brought along"}};
  batch.first_sequence = 5;
  ASSERT_TRUE(testing::CommitOne(*log_, batch).status.ok());
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    const auto records = testing::ReadTable(*log_, 8);
    ASSERT_TRUE(records.ok()) << records.status();
    ASSERT_EQ(records->size(), 1u);
    EXPECT_EQ((*records)[0].sequence, 5u);
    EXPECT_EQ(log_->Position(8).next, 91u);
    if (again) break;
    ASSERT_TRUE(engine_->ReclaimNow().ok());
    ASSERT_TRUE(CloseAndWait(*log_).ok());
    OpenEngine();
    ASSERT_TRUE(Open(4).ok());
  }
}

TEST_F(HoraedbTest, WhatIsSaidOfATableWhoseRecordsAreAllGoneIsWhatTheNextAppendGets) {
  OpenEngine();
  const TablePosition absent = engine_->PositionInAbsentRegion(8);
  EXPECT_EQ(absent.next, 91u);
  EXPECT_EQ(absent.deleted_through, 90u);
  ASSERT_TRUE(Open(3).ok());
  EXPECT_EQ(log_->Position(8).next, 91u);
  EXPECT_EQ(log_->Position(8).first, 91u);
  EXPECT_EQ(log_->Position(8).deleted_through, 90u);
  EXPECT_EQ(log_->NextNumber(8), 91u);
  EXPECT_EQ(*MarkTableAndWait(*log_, 8, 50, std::nullopt), 90u);
  const testing::Batch batch{.table = 8, .payloads = {"again"}, .expected_next_sequence = 91};
  const testing::BatchResult result = testing::CommitOne(*log_, batch);
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.first, 91u);
  for (const bool again : {false, true}) {
    if (again) {
      OpenEngine();
      ASSERT_TRUE(Open(3).ok());
    }
    EXPECT_EQ(log_->Position(8).deleted_through, 90u);
    EXPECT_EQ(log_->Position(8).first, 91u);
    EXPECT_EQ(log_->Position(8).next, 92u);
  }
  EXPECT_EQ(log_->Position(9).next, 1u);
  EXPECT_EQ(log_->Position(9).deleted_through, 0u) << "no table of HoraeDB's";
}

}  // namespace
}  // namespace walden
