// The bytes of a backup, against FORMAT.md as printed.
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "engine/backup/backup_format.h"
#include "engine/backup/checked_json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/engine/backup/backup_fixture.h"

namespace walden::backup {
namespace {

using testing::FaultFileSystem;

// What stands between the lines "```<mark>" and "```".
std::string Printed(const std::string& mark) {
  std::ifstream page(std::string(WALDEN_SOURCE_DIR) + "/engine/backup/FORMAT.md");
  std::string text;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (inside && line == "```") return text;
    if (inside) text += line + "\n";
    if (line == "```" + mark) inside = true;
  }
  return "";
}

// The log that the page's example is a copy of.
SourceLog ExampleLog() {
  SourceLog log;
  log.Append(7, "no longer needed");
  log.Append(7, "hi");
  log.MarkDeleted(7, 1);
  return log;
}

TEST(FormatTest, TheExamplesOfThePageAreWhatIsWritten) {
  FaultFileSystem disk;
  ASSERT_TRUE(BackUp(&disk, ExampleLog(), 3).ok());
  EXPECT_EQ(disk.ReadWhole("/backup/backup.json"), Printed("json identity"));
  EXPECT_EQ(disk.ReadWhole("/backup/region_3/manifest.json"), Printed("json manifest"));
  EXPECT_EQ(absl::BytesToHexString(disk.ReadWhole("/backup/region_3/data_0")),
            absl::StrReplaceAll(Printed("hex"), {{" ", ""}, {"\n", ""}}));
}

void Put(FaultFileSystem& disk, const std::string& path, const std::string& bytes) {
  auto file = disk.CreateFile(path);
  ASSERT_TRUE(file.ok()) << file.status();
  const absl::string_view piece = bytes;
  ASSERT_TRUE((*file)->Write(0, {&piece, 1}).ok());
}

TEST(FormatTest, TheExamplesOfThePageReadBack) {
  FaultFileSystem disk;
  ASSERT_TRUE(disk.CreateDirectory("/backup").ok());
  ASSERT_TRUE(disk.CreateDirectory("/backup/region_3").ok());
  Put(disk, "/backup/region_3/manifest.json", Printed("json manifest"));
  Put(disk, "/backup/region_3/data_0",
      absl::HexStringToBytes(absl::StrReplaceAll(Printed("hex"), {{" ", ""}, {"\n", ""}})));
  EXPECT_EQ(ShowBackup(&disk, 3), ExampleLog().Show());
}

TEST(FormatTest, TheMagicNumberIsThatOfThePage) {
  EXPECT_EQ(absl::BytesToHexString(kDataMagic), "8957414c42414b01");
}

// A manifest with `from` replaced by `to` and a checksum that is right again.
absl::Status ReadChanged(const std::string& from, const std::string& to) {
  FaultFileSystem disk;
  EXPECT_TRUE(disk.CreateDirectory("/r").ok());
  std::string text = Printed("json manifest");
  EXPECT_NE(text.find(from), std::string::npos) << from;
  text.resize(text.size() - kChecksumLine.size() - kChecksumDigits - kChecksumEnd.size());
  text = absl::StrReplaceAll(text, {{from, to}});
  EXPECT_TRUE(WriteCheckedJson(&disk, "/r", kManifestFile, text).ok());
  return ReadManifest(&disk, "/r").status();
}

TEST(FormatTest, AMemberThatIsMissingOrWrongIsNamed) {
  const std::vector<std::vector<std::string>> cases = {
      {"\"region_id\": 3", "\"region_ix\": 3", "region_id"},
      {"\"region_id\": 3", "\"region_id\": -3", "region_id"},
      {"\"namespace_id\": 1", "\"namespace_id\": 256", "namespace_id"},
      {"\"exact\": true", "\"exact\": 1", "exact"},
      {"\"engine\": \"segment\"", "\"engine\": 5", "engine"},
      {"\"kind\":\"log\"", "\"kind\":\"lag\"", "kind"},
      {"\"next_sequence\":3", "\"next_sequence\":1", "table 7 contradict"},
      {"\"file\":\"data_0\"", "\"file\":\"../data_0\"", "file"},
      {"\"bytes\":36", "\"bytes\":37", "the runs of data_0 are not its bytes"},
      {"\"records\":1", "\"records\":9", "a run in data_0"},
      {"\"next_file\": 1", "\"next_file\": 0", "next_file"},
      {"\"tables\": [", "\"tables\": 5, \"t\": [", "tables"},
  };
  for (const auto& change : cases) {
    const absl::Status status = ReadChanged(change[0], change[1]);
    EXPECT_TRUE(HasReason(status, ErrorReason::kCorruption)) << change[1] << ": " << status;
    EXPECT_THAT(status.message(), ::testing::HasSubstr(change[2])) << change[1];
  }
}

TEST(FormatTest, ALaterVersionIsRefusedAsSuch) {
  const absl::Status status = ReadChanged("\"version\": 1", "\"version\": 2");
  EXPECT_TRUE(HasReason(status, ErrorReason::kUnsupportedFormat)) << status;
  EXPECT_THAT(status.message(), ::testing::HasSubstr("version 2"));
}

}  // namespace
}  // namespace walden::backup
