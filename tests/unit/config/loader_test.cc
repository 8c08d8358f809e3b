#include "config/loader.h"

#include <cstdio>
#include <fstream>

#include "tests/unit/config/config_testing.h"

namespace walden {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(LoadConfig, WithoutAFileIsTheEmbeddedDefault) {
  const absl::StatusOr<LoadedConfig> loaded = LoadConfig(std::nullopt, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config, Config{});
  EXPECT_TRUE(loaded->origins.empty());
  EXPECT_THAT(loaded->config.listen, ElementsAre("127.0.0.1:7070"));
  ASSERT_NE(loaded->config.DefaultNamespace(), nullptr);
  EXPECT_EQ(loaded->config.DefaultNamespace()->id, 1);
}

TEST(LoadConfig, TextsThatSetNothingAreTheDefault) {
  for (const char* text : {"", "# nothing\n", "---\n", "{}\n", "~\n", "limits:\nlog: {}\n"}) {
    EXPECT_EQ(MustLoad(text).config, Config{}) << text;
  }
}

TEST(LoadConfig, ReadsEveryKindOfField) {
  const Config config = MustLoad(R"(
listen: [0.0.0.0:7071, "[::1]:7071", unix:/run/walden.sock, localhost:0]
data_dir: "/var/lib/walden: 1"
default_namespace: manifest
limits:
  max_batch_bytes: 1MiB
  max_batch_records: 1000
  max_payload_bytes: 512KiB
  reader_wait: 1m30s
threads:
  workers: 3
log: {level: warning, format: json}
namespaces:
  - name: data
    id: 1
  - id: 255
    name: manifest
    engine: segment
    durability: buffered
    recovery_policy: quarantine
    buffered_sync_interval: 1.5ms
    spare_segments: 0
)")
                            .config;
  EXPECT_THAT(config.listen,
              ElementsAre("0.0.0.0:7071", "[::1]:7071", "unix:/run/walden.sock", "localhost:0"));
  EXPECT_EQ(config.data_dir, "/var/lib/walden: 1");
  EXPECT_EQ(config.limits.max_batch_bytes, MiB(1));
  EXPECT_EQ(config.limits.max_batch_records, 1000u);
  EXPECT_EQ(config.limits.max_payload_bytes, KiB(512));
  EXPECT_EQ(config.limits.mailbox_bytes, MiB(64));
  EXPECT_EQ(config.limits.reader_wait, absl::Seconds(90));
  EXPECT_EQ(config.threads.workers, 3u);
  EXPECT_EQ(config.log.level, LogLevel::kWarning);
  EXPECT_EQ(config.log.format, LogFormat::kJson);
  ASSERT_EQ(config.namespaces.size(), 2u);
  const NamespaceConfig& manifest = *config.DefaultNamespace();
  EXPECT_EQ(manifest.id, 255);
  EXPECT_EQ(manifest.settings.durability, Durability::kBuffered);
  EXPECT_EQ(manifest.settings.recovery_policy, RecoveryPolicy::kQuarantine);
  EXPECT_EQ(manifest.settings.buffered_sync_interval, absl::Microseconds(1500));
  EXPECT_EQ(manifest.spare_segments, 0u);
}

TEST(LoadConfig, ARegionTakesFromItsNamespaceWhatItDoesNotSet) {
  const Config config = MustLoad(R"(
namespaces:
  - id: 1
    name: default
    regions:  # before the settings that they inherit
      - id: 18446744073709551615
        segment_size: 2MiB
      - {id: 0, recovery_policy: refuse}
    recovery_policy: quarantine
    segment_size: 8MiB
    buffered_sync_every_writes: 5
)")
                            .config;
  const NamespaceConfig& space = config.namespaces[0];
  EXPECT_EQ(space.SettingsOf(UINT64_MAX).segment_size, MiB(2));
  EXPECT_EQ(space.SettingsOf(UINT64_MAX).recovery_policy, RecoveryPolicy::kQuarantine);
  EXPECT_EQ(space.SettingsOf(UINT64_MAX).buffered_sync_every_writes, 5u);
  EXPECT_EQ(space.SettingsOf(0).recovery_policy, RecoveryPolicy::kRefuse);
  EXPECT_EQ(space.SettingsOf(0).segment_size, MiB(8));
  EXPECT_EQ(space.SettingsOf(1), space.settings);
}

TEST(LoadConfig, RemembersWhereEachSettingCameFrom) {
  const LoadedConfig loaded =
      MustLoad("data_dir: /a\nlimits:\n  max_batch_records: 5\n", {{"WALDEN_LOG_LEVEL", "debug"}});
  EXPECT_EQ(loaded.origins.at("data_dir"), "w.yaml:1");
  EXPECT_EQ(loaded.origins.at("limits.max_batch_records"), "w.yaml:3");
  EXPECT_EQ(loaded.origins.at("log.level"), "WALDEN_LOG_LEVEL");
  EXPECT_EQ(loaded.origins.size(), 3u);
}

TEST(LoadConfig, ASingleValueIsAListOfOne) {
  const LoadedConfig loaded = MustLoad("listen: h:1\nmetrics:\n  listen: 127.0.0.1:9\n");
  EXPECT_THAT(loaded.config.listen, ElementsAre("h:1"));
  EXPECT_THAT(loaded.config.metrics.listen, ElementsAre("127.0.0.1:9"));
  EXPECT_EQ(loaded.origins.at("listen[0]"), "w.yaml:1");
  EXPECT_THAT(Problems("listen: nobody\n"), ElementsAre(StartsWith("w.yaml:1:9: listen[0]: ")));
}

TEST(LoadConfig, DurationsMayHaveDays) {
  const auto age = [](const std::string& text) {
    return MustLoad("namespaces: [{id: 1, name: default, retention_age: " + text + "}]")
        .config.namespaces[0]
        .settings.retention_age;
  };
  EXPECT_EQ(age("30d"), absl::Hours(30 * 24));
  EXPECT_EQ(age("1.5d"), absl::Hours(36));
  EXPECT_EQ(age("1d12h30m"), absl::Hours(36) + absl::Minutes(30));
  for (const std::string text : {"d", "1d2", "1d-1h", "1h1d", "-1d", "1.d.d", "1dd", "1d inf"}) {
    EXPECT_THAT(Problems("namespaces: [{id: 1, name: default, retention_age: " + text + "}]"),
                ElementsAre(HasSubstr("is not a duration: expected a number with us, ms, s, m, h "
                                      "or d")))
        << text;
  }
}

class ConfigFile : public ::testing::Test {
 protected:
  void TearDown() override { std::remove(path_.c_str()); }

  const std::string path_ = ::testing::TempDir() + "walden_config_file_test_" +
                            ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(ConfigFile, IsRead) {
  std::ofstream(path_) << "data_dir: /from/file\n";
  const absl::StatusOr<LoadedConfig> loaded = LoadConfig(path_, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.data_dir, "/from/file");
}

TEST_F(ConfigFile, ThatIsMissingIsNamed) {
  const absl::StatusOr<LoadedConfig> loaded = LoadConfig(path_, {});
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(path_));
}

TEST_F(ConfigFile, ThatIsADirectoryIsAnError) {
  const absl::StatusOr<LoadedConfig> loaded = LoadConfig(::testing::TempDir(), {});
  EXPECT_FALSE(loaded.ok());
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(::testing::TempDir()));
}

TEST_F(ConfigFile, ThatIsHugeIsRefused) {
  std::ofstream(path_) << std::string(5 << 20, '#');
  EXPECT_THAT(std::string(LoadConfig(path_, {}).status().message()), HasSubstr("above 4MiB"));
}

}  // namespace
}  // namespace walden
