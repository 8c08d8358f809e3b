// The bytes of entries, against FORMAT.md as printed.
#include <fstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "engine/entry/entry_codec.h"
#include "gtest/gtest.h"

namespace walden::entry {
namespace {

// The printed example that begins with `start`, without its spaces.
std::string PrintedExample(const std::string& start) {
  std::ifstream page(std::string(WALDEN_SOURCE_DIR) + "/engine/entry/FORMAT.md");
  for (std::string line; std::getline(page, line);) {
    if (line.rfind(start, 0) == 0) {
      return absl::HexStringToBytes(absl::StrReplaceAll(line, {{" ", ""}}));
    }
  }
  return "";
}

std::string Encoded(const EntryView& entry) {
  std::string bytes(EncodedBytes(entry), '\0');
  EXPECT_EQ(Encode(entry, bytes.data()), bytes.data() + bytes.size());
  return bytes;
}

TEST(EntryCodecTest, TheValueThatThePagePrintsIsWhatIsWrittenAndRead) {
  const std::string printed = PrintedExample("01 01 ");
  EXPECT_EQ(absl::BytesToHexString(Encoded({.key = "k", .value = "hi"})),
            absl::BytesToHexString(printed));
  const auto read = Decode(printed);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->kind, RecordKind::kValue);
  EXPECT_EQ(read->key, "k");
  EXPECT_EQ(read->value, "hi");
  EXPECT_FALSE(read->created_unix_ms.has_value());
  EXPECT_FALSE(read->expires_unix_ms.has_value());
}

TEST(EntryCodecTest, TheTombstoneThatThePagePrintsIsWhatIsWrittenAndRead) {
  const std::string printed = PrintedExample("01 02 ");
  EXPECT_EQ(absl::BytesToHexString(Encoded({.kind = RecordKind::kTombstone,
                                            .key = "k",
                                            .created_unix_ms = 1,
                                            .expires_unix_ms = 258})),
            absl::BytesToHexString(printed));
  const auto read = Decode(printed);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->kind, RecordKind::kTombstone);
  EXPECT_EQ(read->created_unix_ms, 1);
  EXPECT_EQ(read->expires_unix_ms, 258);
}

TEST(EntryCodecTest, TheFlushMarkerThatThePagePrintsIsWhatIsWrittenAndRead) {
  const std::string printed = PrintedExample("01 03 ");
  EXPECT_EQ(absl::BytesToHexString(FlushMarker()), absl::BytesToHexString(printed));
  const auto read = Decode(printed);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->kind, RecordKind::kFlushMarker);
}

TEST(EntryCodecTest, TheLongestKeyAndAnEmptyValueSurvive) {
  const std::string key(kMaxKeyBytes, '\xff');
  const std::string bytes = Encoded({.key = key, .created_unix_ms = INT64_MIN});
  const auto read = Decode(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->key, key);
  EXPECT_EQ(read->value, "");
  EXPECT_EQ(read->created_unix_ms, INT64_MIN);
}

TEST(EntryCodecTest, BytesThatAreNoEntryAreNotTakenForOne) {
  const std::string good =
      Encoded({.key = "key", .value = "v", .created_unix_ms = 1, .expires_unix_ms = 2});
  for (size_t size = 0; size + 1 < good.size(); ++size) {
    EXPECT_FALSE(Decode(good.substr(0, size)).has_value()) << size;
  }
  const auto with_byte = [&good](size_t at, char byte) {
    std::string changed = good;
    changed[at] = byte;
    return changed;
  };
  EXPECT_FALSE(Decode(with_byte(0, 0)).has_value());
  EXPECT_FALSE(Decode(with_byte(0, 2)).has_value());
  EXPECT_FALSE(Decode(with_byte(kKindOffset, 0)).has_value());
  EXPECT_FALSE(Decode(with_byte(kKindOffset, 4)).has_value());
  EXPECT_FALSE(Decode(with_byte(kFlagsOffset, 7)).has_value());
  EXPECT_FALSE(Decode(with_byte(kKeyLengthOffset + 1, 0)).has_value()) << "an empty key";
  EXPECT_FALSE(Decode(with_byte(kKindOffset, 2)).has_value()) << "a tombstone with a value";
  EXPECT_FALSE(Decode(with_byte(kKindOffset, 3)).has_value()) << "a marker with a key";
}

TEST(EntryCodecTest, AnEntryIsHiddenFromItsExpiryOn) {
  EXPECT_FALSE((EntryView{.key = "k", .expires_unix_ms = 100}).hidden_at(99));
  EXPECT_TRUE((EntryView{.key = "k", .expires_unix_ms = 100}).hidden_at(100));
  EXPECT_FALSE((EntryView{.key = "k"}).hidden_at(INT64_MAX));
  EXPECT_TRUE((EntryView{.kind = RecordKind::kTombstone, .key = "k"}).hidden_at(0));
}

}  // namespace
}  // namespace walden::entry
