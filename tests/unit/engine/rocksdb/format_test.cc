// The bytes of keys and values, against FORMAT.md as printed and against each other.
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/checksum.h"
#include "engine/rocksdb/companion/companion.h"
#include "engine/rocksdb/companion/companion_file.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"

namespace walden::rocks {
namespace {

// The lines between ``` that hold nothing but hexadecimal digits and spaces, without the spaces.
std::vector<std::string> PrintedExamples() {
  std::ifstream page(std::string(WALDEN_SOURCE_DIR) + "/engine/rocksdb/FORMAT.md");
  std::vector<std::string> examples;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line == "```slot") {
      while (std::getline(page, line) && line != "```") continue;
    } else if (line.rfind("```", 0) == 0) {
      inside = !inside;
    } else if (inside && line.find_first_not_of("0123456789abcdef ") == std::string::npos) {
      examples.push_back(absl::StrReplaceAll(line, {{" ", ""}}));
    }
  }
  return examples;
}

constexpr uint64_t kExampleSalt = 0x0123456789abcdef;
constexpr uint64_t kExampleMicros = uint64_t{1'800'000'000} * 1'000'000;

std::string Bytes(const std::string& hex) { return absl::HexStringToBytes(hex); }

TEST(RocksdbFormatTest, EveryExampleThatThePagePrintsIsWhatTheEncoderWrites) {
  std::vector<std::string> written = {
      absl::BytesToHexString(EncodeLogKey({1, 2, 7, 41})),
      absl::BytesToHexString(absl::StrCat(absl::string_view("\0", 1), "hi")),
  };
  for (const Entry& entry :
       {MaxSeqEntry(7, 41), TableEntry({2, 7, TableKind::kLog, 41}), RegionEntry(2, 5),
        ReservedEntry(7, 1 << 20),
        ProducerEntry(2, {.id = 9, .sequence = 3, .tables = {{7, 40, 41}}}),
        CompanionEntry(kExampleSalt), AppendTimeEntry({2, 7, kExampleMicros, 41}),
        ProducersIssuedEntry({2, 9}),
        ProducerBatchEntry({2, 9, 3, 12, {{7, 40, 41}, {8, 5, 5}}})}) {
    written.push_back(absl::BytesToHexString(entry.key));
    written.push_back(absl::BytesToHexString(entry.value));
  }
  written.push_back(absl::BytesToHexString(EncodeNote(41)));
  EXPECT_EQ(PrintedExamples(), [&] {
    // The page prints hexadecimal digits in lower case, except where they spell the note's letters.
    std::vector<std::string> lower;
    for (const std::string& text : written) lower.push_back(absl::AsciiStrToLower(text));
    return lower;
  }());
}

// The bytes of the example of a companion file's slot.
std::string PrintedSlot() {
  std::ifstream page(std::string(WALDEN_SOURCE_DIR) + "/engine/rocksdb/FORMAT.md");
  std::string hex;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.rfind("```", 0) == 0) {
      inside = line == "```slot";
    } else if (inside) {
      hex += absl::StrReplaceAll(line, {{" ", ""}});
    }
  }
  return absl::HexStringToBytes(hex);
}

Companion ExampleCompanion() {
  return {.generation = 17,
          .salt = kExampleSalt,
          .namespace_id = 1,
          .namespace_name = "default",
          .state = Companion::State::kOpen,
          .numbers_through = 76,
          .manifest = {.number = 5, .durable = {300, 0x11223344}},
          .logs = {{.number = 9, .durable = {4096, 0x55667788}}}};
}

TEST(RocksdbFormatTest, TheSlotThatThePagePrintsIsWhatTheEncoderWritesAndReadsBack) {
  EXPECT_EQ(absl::BytesToHexString(PrintedSlot()),
            absl::BytesToHexString(EncodeSlot(ExampleCompanion())));
  const auto read = DecodeSlot(PrintedSlot());
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, ExampleCompanion());
}

TEST(RocksdbFormatTest, ASlotWithAnyBitFlippedOrAnyByteMissingIsNotValid) {
  const std::string slot = EncodeSlot(ExampleCompanion());
  for (size_t i = 0; i < slot.size(); ++i) {
    EXPECT_FALSE(DecodeSlot(slot.substr(0, i))) << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = slot;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      EXPECT_FALSE(DecodeSlot(flipped)) << i;
    }
  }
  EXPECT_TRUE(DecodeSlot(slot + std::string(100, '\0')));
}

TEST(RocksdbFormatTest, TheSlotWithTheHigherGenerationCountsInEitherHalf) {
  Companion later = ExampleCompanion();
  later.generation = 18;
  later.numbers_through = 140;
  const auto slot = [](const Companion& companion) {
    std::string bytes = EncodeSlot(companion);
    bytes.resize(16'384);
    return bytes;
  };
  testing::FaultFileSystem disk;
  ASSERT_TRUE(disk.CreateDirectory("/first").ok());
  ASSERT_TRUE(disk.CreateDirectory("/second").ok());
  const auto put = [&](const std::string& path, const std::string& bytes) {
    auto file = disk.CreateFile(path);
    ASSERT_TRUE(file.ok() && (*file)->Write(0, {bytes}).ok());
  };
  put("/first/walden_files", slot(later) + slot(ExampleCompanion()));
  put("/second/walden_files", slot(ExampleCompanion()) + slot(later));
  for (const std::string directory : {"/first", "/second"}) {
    const auto read = ReadCompanion(&disk, directory, "shown");
    ASSERT_TRUE(read.ok() && read->has_value()) << read.status();
    EXPECT_EQ(**read, later) << directory;
  }
}

TEST(RocksdbFormatTest, ASlotOfALaterVersionIsNotValid) {
  std::string slot = EncodeSlot(ExampleCompanion());
  ASSERT_EQ(slot[16], 1) << "the body's version";
  slot[16] = 2;
  const uint32_t crc = Crc32c(slot.substr(12));
  for (int i = 0; i < 4; ++i) slot[8 + i] = static_cast<char>(crc >> (24 - 8 * i));
  EXPECT_FALSE(DecodeSlot(slot));
}

TEST(RocksdbFormatTest, EveryExampleThatThePagePrintsReadsBack) {
  const std::vector<std::string> page = PrintedExamples();
  ASSERT_EQ(page.size(), 21u);
  const auto log = DecodeLogKey(Bytes(page[0]));
  ASSERT_TRUE(log);
  EXPECT_EQ(log->namespace_id, 1);
  EXPECT_EQ(log->region, 2u);
  EXPECT_EQ(log->table, 7u);
  EXPECT_EQ(log->sequence, 41u);
  EXPECT_EQ(*DecodeLogValue(Bytes(page[1])), "hi");
  EXPECT_EQ(DecodeMaxSeq(Bytes(page[2]), Bytes(page[3]))->through, 41u);
  EXPECT_EQ(DecodeTable(Bytes(page[4]), Bytes(page[5]))->deleted_through, 41u);
  EXPECT_EQ(DecodeRegion(Bytes(page[6]), Bytes(page[7]))->version, 5u);
  EXPECT_EQ(DecodeReserved(Bytes(page[8]), Bytes(page[9]))->through, 1u << 20);
  const auto producer = DecodeProducer(Bytes(page[10]), Bytes(page[11]));
  ASSERT_TRUE(producer);
  EXPECT_EQ(producer->id, 9u);
  EXPECT_EQ(producer->sequence, 3u);
  EXPECT_EQ(producer->tables[0].last, 41u);
  EXPECT_EQ(DecodeCompanion(Bytes(page[12]), Bytes(page[13])), kExampleSalt);
  const auto time = DecodeAppendTime(Bytes(page[14]), Bytes(page[15]));
  ASSERT_TRUE(time);
  EXPECT_EQ(time->table, 7u);
  EXPECT_EQ(time->unix_micros, kExampleMicros);
  EXPECT_EQ(time->first, 41u);
  EXPECT_EQ(DecodeProducersIssued(Bytes(page[16]), Bytes(page[17]))->through, 9u);
  const auto batch = DecodeProducerBatch(Bytes(page[18]), Bytes(page[19]));
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->order, 12u);
  ASSERT_EQ(batch->parts.size(), 2u);
  EXPECT_EQ(batch->parts[0].last, 41u);
  EXPECT_EQ(batch->parts[1].table, 8u);
  EXPECT_EQ(*DecodeNote(Bytes(page[20])), 41u);
}

TEST(RocksdbFormatTest, KeysSortByRegionThenTableThenNumber) {
  const std::vector<LogKey> rising = {{1, 0, 0, 0},   {1, 0, 0, 1},   {1, 0, 0, 255},
                                      {1, 0, 0, 256}, {1, 0, 1, 0},   {1, 0, UINT64_MAX, 5},
                                      {1, 1, 0, 0},   {1, 256, 0, 0}, {2, 0, 0, 0}};
  for (size_t i = 1; i < rising.size(); ++i) {
    EXPECT_LT(EncodeLogKey(rising[i - 1]), EncodeLogKey(rising[i])) << i;
  }
}

TEST(RocksdbFormatTest, RangesEndBehindTheirLastKeyAndBeforeTheNext) {
  for (const uint64_t id : {uint64_t{0}, uint64_t{7}, uint64_t{255}, UINT64_MAX - 1, UINT64_MAX}) {
    for (const NamespaceId space : {1, 255}) {
      const std::string last = EncodeLogKey({space, id, id, UINT64_MAX});
      EXPECT_LT(last, TableEnd(space, id, id)) << id;
      EXPECT_LT(last, RegionEnd(space, id)) << id;
      EXPECT_LT(last, NamespaceEnd(space)) << id;
      EXPECT_LT(last, LogKeyBehind({space, id, id, UINT64_MAX})) << id;
      if (id == UINT64_MAX) continue;
      EXPECT_LE(TableEnd(space, id, id), EncodeLogKey({space, id, id + 1, 0}));
      EXPECT_LE(RegionEnd(space, id), EncodeLogKey({space, id + 1, 0, 0}));
      EXPECT_LE(LogKeyBehind({space, id, id, id}), EncodeLogKey({space, id, id, id + 1}));
    }
  }
}

// How many decoders of metadata accept the key and value.
int Readers(const std::string& key, const std::string& value) {
  return int{DecodeMaxSeq(key, value).has_value()} + int{DecodeTable(key, value).has_value()} +
         int{DecodeRegion(key, value).has_value()} + int{DecodeReserved(key, value).has_value()} +
         int{DecodeProducer(key, value).has_value()} +
         int{DecodeCompanion(key, value).has_value()} +
         int{DecodeAppendTime(key, value).has_value()} +
         int{DecodeProducersIssued(key, value).has_value()} +
         int{DecodeProducerBatch(key, value).has_value()};
}

TEST(RocksdbFormatTest, BytesOfAnotherSortOrVersionAreNotTakenForKeys) {
  const Entry entries[] = {MaxSeqEntry(7, 41),
                           TableEntry({2, 7, TableKind::kEntries, 41}),
                           RegionEntry(2, 5),
                           ReservedEntry(7, 1 << 20),
                           ProducerEntry(2, {.id = 9, .sequence = 3, .tables = {{7, 40, 41}}}),
                           CompanionEntry(kExampleSalt),
                           AppendTimeEntry({2, 7, kExampleMicros, 41}),
                           ProducersIssuedEntry({2, 9}),
                           ProducerBatchEntry({2, 9, 3, 12, {{7, 40, 41}}}),
                           ProducerBatchEntry({2, 9, 4, 13, {}})};
  for (const Entry& entry : entries) {
    EXPECT_EQ(Readers(entry.key, entry.value), 1) << absl::BytesToHexString(entry.key);
    EXPECT_FALSE(DecodeLogKey(entry.key));
  }
  for (const Entry& entry : entries) {
    std::string key = entry.key;
    key.back() = 1;
    EXPECT_EQ(Readers(key, entry.value), 0) << "a key of a later version";
    std::string value = entry.value;
    value[0] = 1;
    EXPECT_EQ(Readers(entry.key, value), 0) << "a value of a later version";
    EXPECT_EQ(Readers(entry.key + '\0', entry.value), 0) << "a longer key";
  }
  std::string later = EncodeLogKey({1, 2, 7, 41});
  EXPECT_TRUE(DecodeLogKey(later));
  later.back() = 1;
  EXPECT_FALSE(DecodeLogKey(later)) << "of a later version";
  EXPECT_FALSE(DecodeLogKey(EncodeLogKey({0, 2, 7, 41}))) << "the namespace of metadata";
  EXPECT_FALSE(DecodeLogValue(""));
  EXPECT_FALSE(DecodeLogValue("\x01hi"));
}

}  // namespace
}  // namespace walden::rocks
