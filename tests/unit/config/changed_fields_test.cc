#include "config/changed_fields.h"

#include "config/combination_checks.h"
#include "tests/unit/config/config_testing.h"

namespace walden {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kNamespaces[] = "namespaces: [{id: 1, name: default, segment_size: 1MiB";

std::vector<std::string> Shown(const std::vector<ChangedField>& changed) {
  std::vector<std::string> shown;
  for (const ChangedField& field : changed) {
    shown.push_back(field.key + ": " + field.old_value + " -> " + field.new_value +
                    (field.reloads ? "" : " (restart)"));
  }
  return shown;
}

std::vector<ChangedField> Changes(const std::string& before, const std::string& after) {
  return FindChangedFields(MustLoad(before).config, MustLoad(after).config);
}

TEST(Difference, EqualConfigurationsDifferInNothing) {
  EXPECT_THAT(Changes("", ""), IsEmpty());
  EXPECT_THAT(Changes("", "log: {level: info}"), IsEmpty());
}

TEST(Difference, EveryFieldThatDiffersIsToldWithBothValues) {
  EXPECT_THAT(Shown(Changes("{log: {level: info}, threads: {workers: 2}}",
                            "{log: {level: debug}, threads: {workers: 3}}")),
              ElementsAre("threads.workers: 2 -> 3 (restart)", "log.level: info -> debug"));
}

TEST(Difference, ARegionThatIsSetApartDiffersFromItsNamespaceWhereItSaysSo) {
  EXPECT_THAT(Shown(Changes(std::string(kNamespaces) + "}]",
                            std::string(kNamespaces) +
                                ", regions: [{id: 7, disk_quota: 4MiB, durability: buffered}]}]")),
              ElementsAre("namespaces[default].regions[7].durability: sync -> buffered (restart)",
                          "namespaces[default].regions[7].disk_quota: 0B -> 4MiB"));
}

TEST(Difference, ANamespaceThatComesNeedsARestart) {
  EXPECT_THAT(
      Shown(Changes(std::string(kNamespaces) + "}]",
                    std::string(kNamespaces) + "}, {id: 2, name: more, segment_size: 1MiB}]")),
      ElementsAre("namespaces[more]: absent -> configured (restart)"));
}

TEST(Difference, TakingOverChangesWhatReloadsAndNothingElse) {
  const Config running = MustLoad(std::string(kNamespaces) + ", regions: [{id: 3}]}]").config;
  const Config wanted =
      MustLoad("{log: {level: debug}, limits: {disk_reserve: 1GiB}, threads: {workers: 3}, " +
               std::string(kNamespaces) +
               ", disk_quota: 8MiB, retention_age: 1h, durability: buffered, "
               "regions: [{id: 7, disk_quota: 4MiB}]}]}")
          .config;
  const Config result = TakeReloadableFields(running, wanted);
  EXPECT_EQ(result.log.level, LogLevel::kDebug);
  EXPECT_EQ(result.limits.disk_reserve, GiB(1));
  EXPECT_EQ(result.threads.workers, 0u);
  const NamespaceConfig& space = result.namespaces.at(0);
  EXPECT_EQ(space.disk_quota, MiB(8));
  EXPECT_EQ(space.settings.retention_age, absl::Hours(1));
  EXPECT_EQ(space.settings.durability, Durability::kSync);
  EXPECT_EQ(space.SettingsOf(3).retention_age, absl::Hours(1));
  EXPECT_EQ(space.SettingsOf(7).disk_quota, MiB(4));
  EXPECT_EQ(space.SettingsOf(7).durability, Durability::kSync);
  for (const ChangedField& left : FindChangedFields(result, wanted))
    EXPECT_FALSE(left.reloads) << left.key;
}

TEST(Difference, WhatIsTakenOverMayNotFitWhatStays) {
  const std::string with_size = "namespaces: [{id: 1, name: default, segment_size: ";
  const Config running = MustLoad(with_size + "64MiB}]").config;
  const Config wanted = MustLoad(with_size + "16MiB, disk_quota: 32MiB}]").config;
  EXPECT_TRUE(CheckCombinations(running).ok()) << CheckCombinations(running);
  EXPECT_TRUE(CheckCombinations(wanted).ok()) << CheckCombinations(wanted);
  const absl::Status refused = CheckCombinations(TakeReloadableFields(running, wanted));
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_THAT(
      std::string(refused.message()),
      HasSubstr("disk_quota is 32MiB and must be 0 or at least twice segment_size (128MiB)"));
}

TEST(Difference, WhatAnEngineCannotDoIsRefused) {
  const std::string rocks = "namespaces: [{id: 1, name: default, engine: rocksdb, ";
  EXPECT_THAT(Problems(rocks + "retention_bytes: 1GiB}]"),
              ElementsAre(HasSubstr("does not know how many bytes")));
  EXPECT_THAT(Problems(rocks + "regions: [{id: 1, disk_quota: 1GiB}]}]"),
              ElementsAre(HasSubstr("namespaces[0].regions[0].disk_quota: engine rocksdb")));
  EXPECT_THAT(Problems(rocks + "region_disk_quota: 1GiB}]"),
              ElementsAre(HasSubstr("has no quota for one of them")));
  EXPECT_THAT(Problems(rocks + "retention_age: 1h, retention_records: 100, disk_quota: 1GiB}]"),
              IsEmpty());
}

TEST(Difference, AQuotaInWhichNoSecondSegmentFitsIsRefused) {
  EXPECT_THAT(Problems(std::string(kNamespaces) + ", disk_quota: 1MiB}]"),
              ElementsAre(HasSubstr("disk_quota is 1MiB and must be 0 or at least twice "
                                    "segment_size (2MiB)")));
  EXPECT_THAT(Problems(std::string(kNamespaces) + ", regions: [{id: 1, disk_quota: 1MiB}]}]"),
              ElementsAre(HasSubstr("regions[0].disk_quota")));
  EXPECT_THAT(Problems(std::string(kNamespaces) + ", region_disk_quota: 2MiB}]"), IsEmpty());
}

}  // namespace
}  // namespace walden
