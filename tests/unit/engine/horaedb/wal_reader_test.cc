#include "engine/horaedb/wal_reader.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"
#include "tests/unit/engine/horaedb/wal_writer.h"

namespace walden::horaedb {
namespace {

using testing::WalMagic;
using testing::WalRecord;
using testing::WalRecordOf;
using Kind = WalItem::Kind;
using ::testing::ElementsAre;

class WalReaderTest : public ::testing::Test {
 protected:
  // What the reader says of a file, one line per item, the end left out.
  std::vector<std::string> Read(const std::string& bytes, size_t file_bytes = 64 << 10) {
    testing::WriteWalFile(disk_, "/seg_0", bytes, file_bytes);
    auto reader = WalReader::Open(&disk_, "/seg_0");
    EXPECT_TRUE(reader.ok()) << reader.status();
    std::vector<std::string> said;
    while (true) {
      const auto item = (*reader)->Next();
      EXPECT_TRUE(item.ok()) << item.status();
      if (!item.ok() || item->kind == Kind::kEnd) return said;
      if (item->kind == Kind::kDamage) {
        said.push_back("damage " + std::to_string(item->offset) + "+" +
                       std::to_string(item->length) + " " + item->reason);
      } else {
        said.push_back(std::to_string(item->table) + "/" + std::to_string(item->sequence) + " " +
                       std::string(item->payload));
      }
    }
  }

  const std::string one_ = WalRecord(7, 1, "one");
  const std::string two_ = WalRecord(9, 2, "two");
  const std::string three_ = WalRecord(7, 3, "");
  testing::FaultFileSystem disk_;
};

TEST_F(WalReaderTest, RecordsComeInOrderUpToTheZerosOrTheEndOfTheFile) {
  const std::string bytes = WalMagic() + one_ + two_ + three_;
  EXPECT_THAT(Read(bytes), ElementsAre("7/1 one", "9/2 two", "7/3 "));
  EXPECT_THAT(Read(bytes, bytes.size()), ElementsAre("7/1 one", "9/2 two", "7/3 "));
  EXPECT_THAT(Read(WalMagic()), ElementsAre());
  EXPECT_THAT(Read(""), ElementsAre());
  EXPECT_THAT(Read("", 0), ElementsAre());
}

TEST_F(WalReaderTest, TheExampleOfTheFormatPageIsARecord) {
  const std::string example(
      "\x00\x1f\xe5\xca\x3f\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x01"
      "\x00\x00\x00\x03\x00hi",
      28);
  EXPECT_EQ(WalRecord(7, 1, "hi"), example);
  EXPECT_THAT(Read(WalMagic() + example), ElementsAre("7/1 hi"));
}

TEST_F(WalReaderTest, DamageInEachFieldIsReportedWithItsRangeAndTheNextRecordIsFound) {
  const std::string begin = WalMagic() + one_;
  for (size_t at = 0; at < two_.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      SCOPED_TRACE("byte " + std::to_string(at) + " bit " + std::to_string(bit));
      std::string broken = two_;
      broken[at] = static_cast<char>(broken[at] ^ (1 << bit));
      const auto said = Read(begin + broken + three_);
      ASSERT_EQ(said.size(), 3u);
      EXPECT_EQ(said[0], "7/1 one");
      EXPECT_EQ(said[1].rfind("damage " + std::to_string(begin.size()) + "+" +
                                  std::to_string(two_.size()) + " ",
                              0),
                0u)
          << said[1];
      EXPECT_EQ(said[2], "7/3 ");
    }
  }
}

TEST_F(WalReaderTest, DamageWithoutARecordBehindItEndsAtTheLastByteThatWasWritten) {
  std::string broken = two_;
  broken.back() = 'X';
  const std::string begin = WalMagic() + one_;
  EXPECT_THAT(Read(begin + broken),
              ElementsAre("7/1 one", "damage " + std::to_string(begin.size()) + "+" +
                                         std::to_string(two_.size()) + " checksum does not match"));
  EXPECT_THAT(Read(begin + two_.substr(0, 10), begin.size() + 10),
              ElementsAre("7/1 one", "damage " + std::to_string(begin.size()) +
                                         "+5 the file ends inside a record"));
}

TEST_F(WalReaderTest, ZerosInFrontOfARecordAreDamage) {
  const std::string begin = WalMagic() + one_;
  const auto said = Read(begin + std::string(5000, '\0') + three_);
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[1].rfind("damage " + std::to_string(begin.size()) + "+5000", 0), 0u) << said[1];
  EXPECT_EQ(said[2], "7/3 ");
}

TEST_F(WalReaderTest, AWrongMagicNumberIsDamageAndTheRecordsAreRead) {
  std::string magic = WalMagic();
  magic[3] = 'x';
  EXPECT_THAT(Read(magic + one_),
              ElementsAre("damage 0+11 magic number does not match", "7/1 one"));
}

TEST_F(WalReaderTest, ValuesOfAnotherVersionAreReportedAndNotTakenForPayloads) {
  const std::string begin = WalMagic() + one_;
  EXPECT_THAT(
      Read(begin + WalRecordOf(7, 2, "\x01later") + three_),
      ElementsAre("7/1 one", "damage " + std::to_string(begin.size()) + "+31 unknown value version",
                  "7/3 "));
  EXPECT_THAT(Read(begin + WalRecordOf(7, 2, "") + three_),
              ElementsAre("7/1 one",
                          "damage " + std::to_string(begin.size()) + "+25 the value has no version",
                          "7/3 "));
}

TEST_F(WalReaderTest, LargeRecordsAreReadWhole) {
  const std::string large(3 << 20, 'L');
  const auto said = Read(WalMagic() + one_ + WalRecord(1, 2, large) + three_);
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[1], "1/2 " + large);
}

TEST_F(WalReaderTest, AnIoErrorIsNeitherDamageNorTheEnd) {
  testing::WriteWalFile(disk_, "/seg_0", WalMagic() + one_ + two_);
  disk_.MakeUnreadable("/seg_0", 40, 1);
  auto reader = WalReader::Open(&disk_, "/seg_0");
  ASSERT_TRUE(reader.ok());
  const auto item = (*reader)->Next();
  EXPECT_TRUE(absl::IsUnavailable(item.status())) << item.status();
}

}  // namespace
}  // namespace walden::horaedb
