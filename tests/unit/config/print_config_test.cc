#include "config/print_config.h"

#include "tests/unit/config/config_testing.h"

namespace walden {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void ExpectRoundTrip(const LoadedConfig& loaded) {
  const std::string text = PrintConfig(loaded);
  EXPECT_EQ(MustLoad(text).config, loaded.config) << text;
}

TEST(PrintConfig, OfTheDefaultsLoadsToTheSameAndMarksNothing) {
  ExpectRoundTrip({});
  EXPECT_THAT(PrintConfig({}), Not(HasSubstr("#")));
}

TEST(PrintConfig, OfEverythingChangedLoadsToTheSame) {
  const LoadedConfig loaded = MustLoad(R"(
listen: ["[::1]:1", unix:/a, "unix:b#c", "*:5"]
data_dir: "~: #'\"{}[]&*!|>%@`ä "
default_namespace: "123"
limits: {max_batch_bytes: 3KiB, max_batch_records: 7, max_payload_bytes: 1025B,
         max_open_regions: 1, mailbox_bytes: 1GiB, reader_bytes: 3MiB, read_chunk_bytes: 5KiB,
         stream_in_flight_bytes: 65KiB, reader_wait: 1m1.5s}
threads: {workers: 256}
shutdown: {drain_timeout: 0s}
log: {level: trace, format: json}
security:
  identities_file: "a: b"
  allow_insecure_network: true
  reflection: off
  tls: {certificate_file: c, key_file: "#d", client_ca_file: e, client_certificates: optional}
namespaces:
  - {id: 255, name: "123", durability: buffered, segment_size: 1023MiB, spare_segments: 16}
  - id: 9
    name: "null"
    buffered_sync_every_writes: 3
    buffered_sync_interval: 1h
    recovery_policy: quarantine
    regions:
      - {id: 18446744073709551615, recovery_policy: refuse}
      - {id: 0, segment_size: 1MiB, durability: buffered, buffered_sync_every_writes: 9}
)");
  EXPECT_NE(loaded.config, Config{});
  ExpectRoundTrip(loaded);
}

TEST(PrintConfig, OfLoweredLimitsLoadsToTheSame) {
  ExpectRoundTrip(MustLoad("namespaces: [{id: 1, name: default, segment_size: 1MiB}]"));
}

TEST(PrintConfig, OfAwkwardPathsLoadsToTheSame) {
  for (const std::string path :
       {"~", "null", "true", "1",    "- a", "a: b", "#", " a", "a ", "\"", "'",
        "?", "a\\b", "ü/é",  "%TAG", "---", "<<",   "=", "&a", "*a", "!t"}) {
    ExpectRoundTrip(MustLoad("", {{"WALDEN_DATA_DIR", path}}));
  }
}

TEST(PrintConfig, MarksWhatDiffersFromTheDefaultWithItsOrigin) {
  const std::string text = PrintConfig(
      MustLoad("log: {level: info}\ndata_dir: /a\nnamespaces:\n  - id: 1\n    name: default\n"
               "    segment_size: 8MiB\n    regions:\n      - id: 5\n        segment_size: 8MiB\n"
               "        durability: buffered\n",
               {{"WALDEN_LIMITS_MAX_BATCH_RECORDS", "9"}}, {{"listen", {"h:1"}, "--listen"}}));
  EXPECT_THAT(text, HasSubstr("\ndata_dir: /a  # w.yaml:2\n"));
  EXPECT_THAT(text, HasSubstr("max_batch_records: 9  # WALDEN_LIMITS_MAX_BATCH_RECORDS\n"));
  EXPECT_THAT(text, HasSubstr("  - h:1  # --listen\n"));
  EXPECT_THAT(text, HasSubstr("  level: info\n"));  // set, to the default
  EXPECT_THAT(text, HasSubstr("    segment_size: 8MiB  # w.yaml:6\n"));
  EXPECT_THAT(text, HasSubstr("        segment_size: 8MiB\n"));  // as its namespace's
  EXPECT_THAT(text, HasSubstr("        durability: buffered  # w.yaml:10\n"));
}

TEST(PrintConfig, PrintsASectionInASectionAsOne) {
  const std::string text =
      PrintConfig(MustLoad("security: {tls: {certificate_file: /c, key_file: /k}}"));
  EXPECT_THAT(text, HasSubstr("\n  tls:\n    certificate_file: /c  # w.yaml:1\n"
                              "    key_file: /k  # w.yaml:1\n    client_ca_file: \"\"\n"));
}

}  // namespace
}  // namespace walden
