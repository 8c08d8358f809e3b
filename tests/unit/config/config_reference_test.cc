// The documents that people read say what the table of fields says.
#include "config/config_reference.h"

#include <fstream>
#include <iterator>
#include <set>

#include "config/fields.h"
#include "config/print_config.h"
#include "tests/unit/config/config_testing.h"

namespace walden {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string ReadSourceFile(const std::string& name) {
  std::ifstream file(std::string(WALDEN_SOURCE_DIR "/") + name);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(DefaultFile, IsWhatTheTableOfFieldsSays) {
  EXPECT_EQ(ReadSourceFile("config/waldend.yaml"), DefaultFileReference())
      << "rewrite it: walden_config_reference yaml > config/waldend.yaml";
}

TEST(DefaultFile, LoadsToTheDefaults) {
  const LoadedConfig loaded = MustLoad(ReadSourceFile("config/waldend.yaml"));
  EXPECT_EQ(loaded.config, Config{});
}

TEST(DefaultFile, SetsEveryFieldOfTheRootAndOfANamespace) {
  const LoadedConfig loaded = MustLoad(ReadSourceFile("config/waldend.yaml"));
  for (const Field<Config>& field : RootFields()) {
    EXPECT_EQ(loaded.origins.count(field.key), 1u) << field.key;
  }
  for (const Field<NamespaceConfig>& field : NamespaceFields()) {
    EXPECT_EQ(loaded.origins.count("namespaces[0]." + field.key), 1u) << field.key;
  }
}

TEST(DefaultFile, DocumentsEveryFieldOfARegion) {
  const std::string text = ReadSourceFile("config/waldend.yaml");
  for (const Field<RegionConfig>& field : RegionFields()) {
    EXPECT_THAT(text, HasSubstr("    #   " + field.key + ": " + field.allowed));
  }
}

TEST(DefaultFile, HasNoLineBeyondAHundredColumns) {
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(DefaultFileReference(), '\n'))) {
    EXPECT_LE(line.size(), 100u) << line;
  }
}

TEST(ConfigurationPage, HoldsTheTablesOfFields) {
  EXPECT_THAT(ReadSourceFile("docs/operators/configuration.md"), HasSubstr(MarkdownReference()))
      << "paste the output of walden_config_reference markdown at its end";
}

TEST(ConfigurationPage, ItsExampleLoads) {
  const std::string page = ReadSourceFile("docs/operators/configuration.md");
  const std::string fence = "```yaml\n";
  const size_t begin = page.find(fence);
  ASSERT_NE(begin, std::string::npos);
  const size_t end = page.find("```\n", begin + fence.size());
  const Config config =
      MustLoad(page.substr(begin + fence.size(), end - begin - fence.size())).config;
  EXPECT_THAT(config.namespaces, SizeIs(2));
  EXPECT_EQ(config.limits.max_batch_bytes, MiB(16));
}

template <typename Owner>
void ExpectSoundTable(const std::vector<Field<Owner>>& fields, const Owner& defaults) {
  std::set<std::string> keys;
  for (const Field<Owner>& field : fields) {
    EXPECT_TRUE(keys.insert(field.key).second) << field.key;
    EXPECT_FALSE(field.doc.empty()) << field.key;
    EXPECT_FALSE(field.allowed.empty()) << field.key;
    Owner copy = defaults;
    if (field.is_list) field.clear(copy);
    for (const std::string& value : field.get(defaults)) {
      EXPECT_TRUE(field.set(copy, value).ok()) << field.key << ": the default is out of range";
    }
    EXPECT_EQ(copy, defaults) << field.key;
  }
}

TEST(FieldTable, EveryFieldIsDocumentedAndItsDefaultIsAllowed) {
  ExpectSoundTable(RootFields(), Config{});
  ExpectSoundTable(NamespaceFields(), Config{}.namespaces.front());
  ExpectSoundTable(RegionFields(), RegionConfig{});
}

}  // namespace
}  // namespace walden
