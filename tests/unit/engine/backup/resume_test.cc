// A backup that is stopped anywhere goes on, and until it is done the last copy stays whole.
#include "base/error.h"
#include "engine/backup/checked_json.h"
#include "engine/backup/directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/engine/backup/backup_fixture.h"

namespace walden::backup {
namespace {

using testing::Crash;
using testing::FaultFileSystem;
using ::testing::HasSubstr;

std::string DataPath(uint64_t number) {
  return absl::StrCat(RegionDirectory(kBackup, kRegion), "/", DataFileName(number));
}

TEST(BackupTest, ACopyHoldsEveryLiveRecordNumberMarkAndKind) {
  FaultFileSystem disk;
  const SourceLog log = SomeLog();
  ASSERT_TRUE(BackUp(&disk, log).ok());
  EXPECT_EQ(ShowBackup(&disk), log.Show());
  const auto verified = VerifyAll(&disk);
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_TRUE(verified->findings.empty());
  EXPECT_GT(verified->files, 3u);
  EXPECT_EQ(verified->unfinished_bytes, 0u);
}

TEST(BackupTest, BringingItUpToDateAddsOnlyWhatIsNew) {
  FaultFileSystem disk;
  SourceLog log = SomeLog();
  ASSERT_TRUE(BackUp(&disk, log).ok());
  log.Append(1, "later");
  log.Append(30, "a new table");
  log.MarkDeleted(9, 3);
  const auto writer = RegionWriter::Open(TargetOn(&disk));
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE(log.BackUpInto(**writer).ok());
  EXPECT_EQ((*writer)->added_records(), 2u);
  EXPECT_EQ(ShowBackup(&disk), log.Show());
}

TEST(BackupTest, WhatIsMarkedDeletedGoesFileByFile) {
  FaultFileSystem disk;
  SourceLog log = SomeLog();
  ASSERT_TRUE(BackUp(&disk, log).ok());
  log.MarkDeleted(1, 1000);
  ASSERT_TRUE(BackUp(&disk, log).ok());
  EXPECT_FALSE(disk.Exists(DataPath(0)));
  EXPECT_EQ(ShowBackup(&disk), log.Show());
  log.MarkDeleted(9, 1000);
  ASSERT_TRUE(BackUp(&disk, log).ok());
  for (const std::string& path : disk.FilesBelow(kBackup)) {
    EXPECT_EQ(path.find("data_"), std::string::npos) << path;
  }
  // Numbers of data files are not used again.
  log.Append(1, "new");
  ASSERT_TRUE(BackUp(&disk, log).ok());
  EXPECT_FALSE(disk.Exists(DataPath(0)));
  EXPECT_EQ(ShowBackup(&disk), log.Show());
}

TEST(BackupTest, ACutAtEveryByteOfTheLastFileResumes) {
  FaultFileSystem disk;
  SourceLog before;
  before.Append(1, "first");
  ASSERT_TRUE(BackUp(&disk, before).ok());
  SourceLog log = before;
  for (int i = 0; i < 6; ++i) {
    log.Append(1, absl::StrCat("later-", i));
    log.Append(4, std::string(10 * i, 'x'));
  }
  const uint64_t finished = disk.ReadWhole(DataPath(0)).size();
  {
    // Killed before the cut was written.
    auto writer = RegionWriter::Open(TargetOn(&disk));
    ASSERT_TRUE(writer.ok());
    for (const TableId table : {1, 4}) {
      for (const auto& [sequence, payload] : log[table].records) {
        if (sequence <= (*writer)->CopiedOf(table).through) continue;
        const RecordView record{.table = table, .sequence = sequence, .payload = payload};
        ASSERT_TRUE((*writer)->Add({&record, 1}).ok());
      }
    }
  }
  const uint64_t size = disk.ReadWhole(DataPath(0)).size();
  ASSERT_GT(size, finished + 300);
  for (uint64_t cut = finished; cut <= size; ++cut) {
    for (const bool garbage : {false, true}) {
      SCOPED_TRACE(absl::StrCat("cut at ", cut, garbage ? ", and garbage behind" : ""));
      const auto copy = disk.CopyOfDisk(cut);
      if (garbage) {
        for (uint64_t at = cut; at < std::min(size, cut + 3); ++at)
          copy->SetByte(DataPath(0), at, 'g');
      } else {
        copy->ShrinkSize(DataPath(0), size - cut);
      }
      ASSERT_EQ(ShowBackup(copy.get()), before.Show());
      const auto writer = RegionWriter::Open(TargetOn(copy.get()));
      ASSERT_TRUE(writer.ok()) << writer.status();
      ASSERT_EQ((*writer)->cut_bytes() > 0 || (*writer)->found_records() > 0 || cut == finished,
                true);
      ASSERT_TRUE(log.BackUpInto(**writer).ok());
      ASSERT_EQ(ShowBackup(copy.get()), log.Show());
      const auto verified = VerifyAll(copy.get());
      ASSERT_TRUE(verified.ok() && verified->findings.empty());
    }
  }
}

// Adds some of a table's records, as a run does that is killed before it has a cut to commit.
void AddWithoutCommit(FaultFileSystem& disk, SourceLog& log, TableId table, SequenceNumber first,
                      SequenceNumber last) {
  auto writer = RegionWriter::Open(TargetOn(&disk));
  ASSERT_TRUE(writer.ok()) << writer.status();
  for (SequenceNumber sequence = first; sequence <= last; ++sequence) {
    const RecordView record{
        .table = table, .sequence = sequence, .payload = log[table].records[sequence]};
    ASSERT_TRUE((*writer)->Add({&record, 1}).ok());
  }
}

TEST(BackupTest, RecordsBehindZerosThatAPowerCutLeftAreNotTakenForTheNextOnes) {
  FaultFileSystem disk;
  SourceLog log;
  const std::string payload(74, 'p');
  const uint64_t record_bytes = 26 + payload.size();
  for (int i = 0; i < 5; ++i) log.Append(1, payload);
  ASSERT_TRUE(BackUp(&disk, log).ok());
  for (int i = 0; i < 20; ++i) log.Append(2, payload);
  AddWithoutCommit(disk, log, 2, 1, 20);
  // Of table 2 a page with the first five is lost, and those behind it are there.
  const uint64_t lost = disk.ReadWhole(DataPath(0)).size() - 20 * record_bytes;
  for (uint64_t at = lost; at < lost + 5 * record_bytes; ++at) disk.SetByte(DataPath(0), at, 0);
  // The next run is stopped when what it added ends where a lost record ended.
  for (int i = 0; i < 5; ++i) log.Append(1, payload);
  AddWithoutCommit(disk, log, 1, 6, 10);
  ASSERT_TRUE(BackUp(&disk, log).ok());
  EXPECT_EQ(ShowBackup(&disk), log.Show());
}

TEST(BackupTest, WhereverItCrashesTheLastCopyIsWholeAndTheSameCallFinishesIt) {
  FaultFileSystem pristine;
  SourceLog before = SomeLog();
  ASSERT_TRUE(BackUp(&pristine, before).ok());
  SourceLog log = before;
  for (int i = 0; i < 12; ++i) log.Append(1 + i % 2, std::string(900, 'n'));
  log.MarkDeleted(1, 120);
  log.MarkDeleted(9, 1000);
  uint64_t changes = 0;
  {
    const auto copy = pristine.CopyOfDisk(1);
    const uint64_t at = copy->changes();
    ASSERT_TRUE(BackUp(copy.get(), log).ok());
    changes = copy->changes() - at;
  }
  ASSERT_GT(changes, 10u);
  for (uint64_t nth = 1; nth <= 3 * changes; ++nth) {
    SCOPED_TRACE(absl::StrCat("change ", nth));
    const auto copy = pristine.CopyOfDisk(nth);
    copy->CrashAt(1 + nth % changes, nth % 2 == 0 ? Crash::kKill : Crash::kPowerCut);
    (void)BackUp(copy.get(), log);
    copy->CancelCrash();
    copy->Restart();
    const std::string whole = ShowBackup(copy.get());
    ASSERT_TRUE(whole == before.Show() || whole == log.Show()) << whole;
    const absl::Status again = BackUp(copy.get(), log);
    ASSERT_TRUE(again.ok()) << again;
    ASSERT_EQ(ShowBackup(copy.get()), log.Show());
    const auto verified = VerifyAll(copy.get());
    ASSERT_TRUE(verified.ok() && verified->findings.empty()) << verified.status();
    ASSERT_EQ(verified->unfinished_bytes, 0u);
  }
}

TEST(BackupTest, AFullDiskIsSaidAndTheSameCallGoesOnWhenThereIsRoom) {
  FaultFileSystem disk;
  const SourceLog log = SomeLog();
  ASSERT_TRUE(disk.CreateDirectory(kBackup).ok());
  disk.SetCapacity(9000);
  const absl::Status full = BackUp(&disk, log);
  EXPECT_TRUE(HasReason(full, ErrorReason::kDiskFull)) << full;
  disk.SetCapacity(UINT64_MAX);
  ASSERT_TRUE(BackUp(&disk, log).ok());
  EXPECT_EQ(ShowBackup(&disk), log.Show());
}

TEST(BackupTest, AnUnreadableBlockIsAnErrorAndNoTornTail) {
  FaultFileSystem disk;
  const SourceLog log = SomeLog();
  {
    ASSERT_TRUE(disk.CreateDirectory(kBackup).ok());
    auto writer = RegionWriter::Open(TargetOn(&disk));
    ASSERT_TRUE(writer.ok());
    const RecordView record{.table = 1, .sequence = 1, .payload = "x"};
    ASSERT_TRUE((*writer)->Add({&record, 1}).ok());
  }
  const std::string bytes = disk.ReadWhole(DataPath(0));
  disk.MakeUnreadable(DataPath(0), 10, 4);
  const auto writer = RegionWriter::Open(TargetOn(&disk));
  EXPECT_TRUE(absl::IsUnavailable(writer.status())) << writer.status();
  disk.ClearFaults();
  EXPECT_EQ(disk.ReadWhole(DataPath(0)), bytes);
}

TEST(BackupTest, AnotherLogIsRefused) {
  FaultFileSystem disk;
  SourceLog log = SomeLog();
  ASSERT_TRUE(BackUp(&disk, log).ok());
  const auto refusal = [&](const std::function<void(SourceLog&)>& change) {
    SourceLog other = log;
    change(other);
    const absl::Status refused = BackUp(&disk, other);
    EXPECT_TRUE(HasReason(refused, ErrorReason::kWrongBackup)) << refused;
    return std::string(refused.message());
  };
  EXPECT_THAT(refusal([](SourceLog& l) { l[1].next = 20; }), HasSubstr("table 1 has come to 19"));
  EXPECT_THAT(refusal([](SourceLog& l) { l[1].deleted_through = 3; }),
              HasSubstr("is deleted through 3 there, and here"));
  EXPECT_THAT(refusal([](SourceLog& l) { l[9].kind = TableKind::kLog; }),
              HasSubstr("a plain log there, and here an entry log"));
  EXPECT_THAT(refusal([](SourceLog& l) { l = SourceLog(); }), HasSubstr("there is no table"));
  EXPECT_EQ(ShowBackup(&disk), log.Show());
}

TEST(BackupTest, AnotherNamespaceOrSomebodyElsesDirectoryIsRefused) {
  FaultFileSystem disk;
  ASSERT_TRUE(BackUp(&disk, SomeLog()).ok());
  const auto other = OpenForBackup(&disk, kBackup, {.namespace_id = 2, .namespace_name = "two"});
  EXPECT_TRUE(HasReason(other.status(), ErrorReason::kWrongBackup)) << other.status();
  EXPECT_THAT(other.status().message(), HasSubstr("namespace default (id 1, of the daemon at "
                                                  "unix:/sock), not of namespace two (id 2"));
  ASSERT_TRUE(disk.CreateDirectory("/home").ok());
  ASSERT_TRUE(disk.CreateFile("/home/letter").ok());
  const auto home = OpenForBackup(&disk, "/home", {.namespace_id = 1, .namespace_name = "default"});
  EXPECT_TRUE(HasReason(home.status(), ErrorReason::kWrongBackup)) << home.status();
  EXPECT_THAT(home.status().message(), HasSubstr("is no backup, and holds letter"));
  EXPECT_FALSE(disk.Exists("/home/LOCK"));
}

TEST(BackupTest, TwoWritersAtOnceAreRefused) {
  FaultFileSystem disk;
  const auto identity = TargetOn(&disk).identity;
  const auto first = OpenForBackup(&disk, kBackup, identity);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = OpenForBackup(&disk, kBackup, identity);
  EXPECT_TRUE(HasReason(second.status(), ErrorReason::kLocked)) << second.status();
}

}  // namespace
}  // namespace walden::backup
