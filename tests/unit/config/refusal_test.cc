// Every refusal names place, key, value and what is allowed.
#include "tests/unit/config/config_testing.h"

namespace walden {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Refusal, OfAnUnknownKeySuggestsTheNearestOne) {
  EXPECT_THAT(Problems("listne: [a:1]\n"),
              ElementsAre("w.yaml:1:1: listne: is not a known key, did you mean listen?"));
  EXPECT_THAT(Problems("limits:\n  max_batch_record: 1\n"),
              ElementsAre("w.yaml:2:3: limits.max_batch_record: is not a known key, did you mean "
                          "limits.max_batch_records?"));
  EXPECT_THAT(
      Problems("namespaces:\n- {id: 1, name: default, segmentsize: 1MiB}\n"),
      ElementsAre("w.yaml:2:26: namespaces[0].segmentsize: is not a known key, did you mean "
                  "segment_size?"));
  EXPECT_THAT(Problems("compression: zstd\n"),
              ElementsAre("w.yaml:1:1: compression: is not a known key"));
}

TEST(Refusal, OfAKeyInTheWrongSectionNamesTheRightOne) {
  EXPECT_THAT(Problems("drain_timeout: 1s\n"),
              ElementsAre(HasSubstr("did you mean shutdown.drain_timeout?")));
}

TEST(Refusal, OfABadUnitSaysWhichUnitsThereAre) {
  EXPECT_THAT(
      Problems("limits:\n  max_batch_bytes: 32MB\n"),
      ElementsAre("w.yaml:2:20: limits.max_batch_bytes: \"32MB\" has the unknown unit "
                  "\"MB\": expected a whole number with B, KiB, MiB, GiB or TiB, for example "
                  "64MiB; allowed: 1KiB to 256MiB"));
  EXPECT_THAT(Problems("limits: {reader_wait: 10}\n"),
              ElementsAre(AllOf(StartsWith("w.yaml:1:23: limits.reader_wait: \"10\" has no unit"),
                                HasSubstr("ms"), HasSubstr("allowed: 0 to 10m"))));
  EXPECT_THAT(Problems("limits: {max_batch_bytes: 1048576}\n"),
              ElementsAre(HasSubstr("\"1048576\" has no unit")));
}

TEST(Refusal, OfAValueOutOfRangeNamesTheRange) {
  EXPECT_THAT(Problems("limits:\n  max_batch_records: 0\n"),
              ElementsAre("w.yaml:2:22: limits.max_batch_records: \"0\" is below 1; allowed: 1 to "
                          "10000000"));
  const auto refused = [](const std::string& text, const std::string& why) {
    EXPECT_THAT(Problems(text), ElementsAre(HasSubstr(why))) << text;
  };
  refused("limits: {max_open_regions: 1000001}", "is above 1000000; allowed: 1 to 1000000");
  refused("limits: {max_open_regions: -1}", "is below 1");
  refused("limits: {max_open_regions: 99999999999999999999999}", "is above");
  refused("limits: {mailbox_bytes: 1023KiB}", "is below 1MiB; allowed: 1MiB to 64GiB");
  refused("limits: {reader_wait: -1s}", "is below 0");
  refused("limits: {reader_wait: inf}", "is above 10m");
  refused("shutdown: {drain_timeout: 11m}", "is above 10m");
  refused("namespaces: [{id: 1, name: default, retention_age: 3661d}]",
          "\"3661d\" is above 3660d; allowed: 0 to 3660d");
  refused("namespaces: [{id: 0, name: default}]", "is below 1; allowed: 1 to 255");
  refused("namespaces: [{id: 256, name: default}]", "is above 255");
  refused("namespaces: [{id: 1, name: default, segment_size: 1025MiB}]", "is above 1GiB");
  refused("namespaces: [{id: 1, name: default, regions: [{id: 18446744073709551616}]}]",
          "is above");
}

TEST(Refusal, OfAWrongTypeSaysWhatWasExpected) {
  const auto refused = [](const std::string& text, const std::string& why) {
    EXPECT_THAT(Problems(text), ElementsAre(HasSubstr(why))) << text;
  };
  refused("data_dir: [a]", "w.yaml:1:1: data_dir: is a list; expected one value: a path");
  refused("data_dir:", "data_dir: is without a value");
  refused("listen: {a: b}", "listen: is a map; expected a list of host:port");
  refused("listen:", "listen: is without a value; expected a list of host:port");
  refused("listen: [{a: b}]", "listen[0]: is a map; expected one value");
  refused("limits: 5", "limits: is the value \"5\"; expected a map");
  refused("[1, 2]", "is a list; expected a map");
  refused("limits: {max_batch_records: ten}", "\"ten\" is not a whole number");
  refused("limits: {max_batch_records: 1e3}", "is not a whole number");
  refused("namespaces: {id: 1}", "namespaces: is a map; expected a list");
  refused("namespaces: [default]", "namespaces[0]: is the value \"default\"; expected a map");
  refused("{[a]: b}", "has a list as a key");
}

TEST(Refusal, OfAWordThatIsNoneNamesTheWords) {
  EXPECT_THAT(
      Problems("log:\n  level: loud\n"),
      ElementsAre("w.yaml:2:10: log.level: \"loud\" is not one of the known words; allowed: "
                  "trace or debug or info or warning or error"));
  EXPECT_THAT(Problems("namespaces: [{id: 1, name: default, durability: SYNC}]"),
              ElementsAre(HasSubstr("allowed: sync or buffered")));
}

TEST(Refusal, OfAnEngineThatDoesNotExistNamesThoseThatDo) {
  EXPECT_THAT(Problems("namespaces: [{id: 1, name: default, engine: tape}]"),
              ElementsAre(AllOf(HasSubstr("\"tape\""), HasSubstr("allowed: segment or rocksdb"))));
}

TEST(Refusal, OfARocksdbSizeNamesItsRange) {
  EXPECT_THAT(Problems("namespaces: [{id: 1, name: default, engine: rocksdb, "
                       "rocksdb_write_buffer_size: 1KiB}]"),
              ElementsAre(HasSubstr("allowed: 1MiB to 64GiB")));
}

TEST(Refusal, OfNamesThatCannotBeDirectories) {
  const std::string longest(64, 'a');
  EXPECT_THAT(Problems("{default_namespace: " + longest +
                       ", namespaces: [{id: 1, name: " + longest + "}]}"),
              IsEmpty());
  for (const std::string name : {"Data", "a/b", "..", "a b", "\"\"", "\"a\\0b\"", "ä", "{long}"}) {
    const std::string text = name == "{long}" ? longest + "a" : name;
    EXPECT_THAT(Problems("namespaces: [{id: 1, name: " + text + "}]"),
                ElementsAre(HasSubstr("namespaces[0].name: ")))
        << text;
  }
}

TEST(Refusal, OfAddressesThatNobodyCanListenOn) {
  for (const std::string address :
       {"localhost", ":7070", "::1:7070", "[::1]", "[::1:7070", "h:65536", "h:-1", "h:http",
        "h:", "unix:", "a b:1", "", "a,b:1"}) {
    EXPECT_THAT(Problems("listen: [\"" + address + "\"]"),
                ElementsAre(StartsWith("w.yaml:1:10: listen[0]: \"" + address + "\"")))
        << address;
  }
  EXPECT_THAT(Problems("listen: [unix:/" + std::string(107, 'x') + "]"),
              ElementsAre(HasSubstr("above the system's 107")));
}

TEST(Refusal, OfATabInTheIndentationNamesItsLine) {
  const std::string refusal =
      "w.yaml:3: is indented with a tab; YAML allows only spaces for "
      "indentation";
  for (const std::string text :
       {"log:\n  level: info\n\tformat: json\n", "data_dir: a\nlog:\n\tlevel: info\n",
        "data_dir: a\nlog:\n  \tlevel: info\n", "data_dir: a\nlisten:\n  -\th: 1\n"}) {
    EXPECT_THAT(Problems(text), ElementsAre(refusal)) << text;
  }
  EXPECT_THAT(Problems("log:\t{level: info}\t# a tab that YAML allows\n"), IsEmpty());
  EXPECT_THAT(Problems("log: {level: info\n"), ElementsAre(HasSubstr("is not YAML")));
}

TEST(Refusal, OfAKeyThatIsSetTwice) {
  EXPECT_THAT(Problems("data_dir: a\nlisten: [h:1]\ndata_dir: b\n"),
              ElementsAre("w.yaml:3:1: data_dir: is set twice, first in line 1"));
}

TEST(Refusal, OfAnEntryWithoutItsIdOrName) {
  EXPECT_THAT(Problems("namespaces:\n  - name: default\n  - id: 3\n"),
              ElementsAre("w.yaml:2:5: namespaces[0].id: is missing; allowed: 1 to 255",
                          "w.yaml:3:5: namespaces[1].name: is missing; allowed: 1 to 64 of a-z, "
                          "0-9, _ and -"));
  EXPECT_THAT(
      Problems("namespaces: [{id: 1, name: default, regions: [{durability: sync}, {}]}]"),
      ElementsAre(HasSubstr("regions[0].id: is missing"), HasSubstr("regions[1].id: is missing")));
}

TEST(Refusal, ReportsEveryProblemAtOnce) {
  const std::vector<std::string> problems = Problems(
      "lissten: 1\nlimits: {max_batch_bytes: x, reader_wait: y}\nlog: {level: z}\n"
      "namespaces: [{id: 0, name: X}]\n",
      {{"WALDEN_NONSENSE", "1"}}, {{"nonsense", {"1"}, "--nonsense"}});
  EXPECT_EQ(problems.size(), 8u) << ::testing::PrintToString(problems);
}

TEST(Refusal, OfTextThatIsNotYaml) {
  EXPECT_THAT(Problems("a: b\n c: d\n"), ElementsAre(StartsWith("w.yaml:2:3: is not YAML: ")));
  EXPECT_THAT(Problems("a: *nobody\n"), ElementsAre(StartsWith("w.yaml:1:")));
  EXPECT_THAT(Problems(std::string(100000, '[')), Not(IsEmpty()));
  EXPECT_THAT(Problems("data_dir: a\n---\ndata_dir: b\n"),
              ElementsAre("w.yaml: holds 2 YAML documents; expected one"));
}

TEST(Refusal, ShowsControlCharactersAndLongValuesSafely) {
  const std::vector<std::string> problems =
      Problems("data_dir: \"a\\nb\\e\"\nlog: {level: " + std::string(5000, 'x') + "}\n");
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_THAT(problems[0], HasSubstr("\"a\\nb\\033\" contains a control character"));
  EXPECT_LT(problems[1].size(), 300u);
}

}  // namespace
}  // namespace walden
