#include <cstdlib>
#include <set>

#include "absl/strings/str_join.h"
#include "config/fields.h"
#include "config/print_config.h"
#include "config/service_links.h"
#include "tests/unit/config/config_testing.h"

namespace walden {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Environment, OverridesTheFileAndTheCommandLineOverridesBoth) {
  const std::string file = "data_dir: /file\nlog: {level: error}\nlisten: [f:1, f:2]\n";
  const Environment environment = {{"WALDEN_DATA_DIR", "/env"}, {"WALDEN_LISTEN", "e:1,unix:/e"}};
  EXPECT_EQ(MustLoad(file).config.data_dir, "/file");

  const LoadedConfig by_environment = MustLoad(file, environment);
  EXPECT_EQ(by_environment.config.data_dir, "/env");
  EXPECT_EQ(by_environment.config.log.level, LogLevel::kError);
  EXPECT_THAT(by_environment.config.listen, ElementsAre("e:1", "unix:/e"));

  const LoadedConfig by_option =
      MustLoad(file, environment, {{"listen", {"c:1", "c:2"}, "--listen"}});
  EXPECT_THAT(by_option.config.listen, ElementsAre("c:1", "c:2"));
  EXPECT_EQ(by_option.config.data_dir, "/env");
  EXPECT_EQ(by_option.origins.at("listen"), "--listen");
  EXPECT_EQ(by_option.origins.count("listen[0]"), 0u);
}

TEST(Environment, SetsEveryFieldOutsideOfNamespaces) {
  std::set<std::string> names;
  for (const Field<Config>& field : RootFields()) {
    const std::string name = EnvironmentName(field.key);
    EXPECT_TRUE(names.insert(name).second) << name << " stands for two fields";
    const std::string value = absl::StrJoin(field.get(Config{}), ",");
    const LoadedConfig loaded = MustLoad("", {{name, value}});
    EXPECT_EQ(loaded.config, Config{}) << name;
    EXPECT_EQ(loaded.origins.at(field.key), name);
  }
  EXPECT_THAT(names, Contains("WALDEN_LIMITS_MAX_BATCH_BYTES"));
}

TEST(Environment, RefusalNamesTheVariable) {
  EXPECT_THAT(Problems("", {{"WALDEN_LIMITS_MAX_BATCH_BYTES", "1MB"}}),
              ElementsAre(AllOf(
                  StartsWith("WALDEN_LIMITS_MAX_BATCH_BYTES: limits.max_batch_bytes: \"1MB\""),
                  HasSubstr("allowed: 1KiB to 256MiB"))));
  EXPECT_THAT(Problems("", {{"WALDEN_LISTEN", ""}}),
              ElementsAre("WALDEN_LISTEN: listen: needs at least one address"));
  EXPECT_THAT(Problems("", {{"WALDEN_LISTEN", "h:1,"}}),
              ElementsAre(StartsWith("WALDEN_LISTEN: listen: \"\" ")));
  EXPECT_THAT(Problems("", {}, {{"data_dir", {""}, "--data-dir"}}),
              ElementsAre("--data-dir: data_dir: \"\" is empty; allowed: a path"));
}

TEST(Environment, AnEmptyListTurnsMetricsOffAndIsPrintedAsOne) {
  const LoadedConfig loaded = MustLoad("", {{"WALDEN_METRICS_LISTEN", ""}});
  EXPECT_TRUE(loaded.config.metrics.listen.empty());
  const LoadedConfig again = MustLoad(PrintConfig(loaded));
  EXPECT_EQ(again.config, loaded.config);
}

TEST(Environment, MetricsAreNotServedOnAUnixSocket) {
  EXPECT_THAT(Problems("", {{"WALDEN_METRICS_LISTEN", "unix:/metrics"}}),
              ElementsAre(HasSubstr("\"unix:/metrics\" is a unix socket")));
}

TEST(Environment, UnknownVariablesAreRefused) {
  EXPECT_THAT(Problems("", {{"WALDEN_LISEN", "h:1"}}),
              ElementsAre("WALDEN_LISEN: is not a known variable, did you mean WALDEN_LISTEN?"));
  EXPECT_THAT(Problems("", {{"WALDEN_NAMESPACES_0_ID", "1"}}),
              ElementsAre(HasSubstr("namespaces are set in a file only")));
}

TEST(Environment, OfTheProcessLeavesOutWhatOthersUse) {
  const std::vector<std::string> others = {
      "WALDEN_ADDRESS",       "WALDEN_CONFIG", "WALDEN_PORT_7070_TCP_ADDR", "WALDEN_SERVICE_HOST",
      "WALDEN_TEST_BINARIES", "WALDEN_TLS_CA", "WALDEN_TLS_SERVER_NAME",    "WALDEN_TOKEN_FILE"};
  for (const std::string& name : others) setenv(name.c_str(), "x", 1);
  setenv("WALDEN_DATA_DIR", "/a=b", 1);
  setenv("WALDEN_UNKNOWN", "x", 1);
  const Environment environment = WaldenEnvironment();
  for (const std::string& name : others) {
    unsetenv(name.c_str());
    EXPECT_THAT(environment, Not(Contains(Key(name))));
  }
  unsetenv("WALDEN_DATA_DIR");
  unsetenv("WALDEN_UNKNOWN");
  EXPECT_EQ(environment.at("WALDEN_DATA_DIR"), "/a=b");
  EXPECT_THAT(environment, Contains(Key("WALDEN_UNKNOWN")));
  EXPECT_THAT(environment, Not(Contains(Key("PATH"))));
}

// What Kubernetes sets for one service with one port.
Environment ServiceLinks(const std::string& service) {
  const std::string port = service + "_PORT_7071_TCP";
  return {{service + "_SERVICE_HOST", "10.96.0.1"},
          {service + "_SERVICE_PORT", "7071"},
          {service + "_SERVICE_PORT_HTTP", "7071"},
          {service + "_PORT", "tcp://10.96.0.1:7071"},
          {port, "tcp://10.96.0.1:7071"},
          {port + "_PROTO", "tcp"},
          {port + "_PORT", "7071"},
          {port + "_ADDR", "10.96.0.1"}};
}

TEST(Environment, OfTheProcessLeavesOutTheServiceLinksOfKubernetesWhateverTheServiceIsCalled) {
  for (const std::string service :
       {"WALDEN", "WALDEN_METRICS", "WALDEN_HEADLESS", "WALDEN_0", "WALDEN_MY_LOG"}) {
    const Environment links = ServiceLinks(service);
    for (const auto& [name, value] : links) setenv(name.c_str(), value.c_str(), 1);
    const Environment environment = WaldenEnvironment();
    for (const auto& [name, value] : links) {
      unsetenv(name.c_str());
      EXPECT_THAT(environment, Not(Contains(Key(name))));
    }
  }
}

TEST(Environment, NoSettingHasTheShapeOfAServiceLink) {
  for (const Field<Config>& field : RootFields()) {
    EXPECT_FALSE(IsServiceLink(EnvironmentName(field.key), "7071")) << field.key;
  }
  EXPECT_FALSE(IsServiceLink("WALDEN_METRICS_PORT", "7071")) << "somebody meant a setting";
  EXPECT_FALSE(IsServiceLink("WALDEN_PORT_LISTEN_TCP", "7071"));
}

}  // namespace
}  // namespace walden
