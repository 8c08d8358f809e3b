#include "server/security/identity.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace walden {
namespace {

IdentityConfig IdentityWithRules(std::vector<IdentityRule> rules) {
  IdentityConfig config;
  config.rules = std::move(rules);
  return config;
}

TEST(IdentityTest, RightsHoldInTheirNamespaceAndRegionsOnly) {
  const Identity identity(IdentityWithRules(
      {{.namespace_id = 3, .regions = {{5, 5}, {10, 19}}, .append = true, .read = true}}));
  for (const RegionId region : {5, 10, 15, 19}) {
    EXPECT_TRUE(identity.Allows(3, region, Right::kAppend)) << region;
    EXPECT_TRUE(identity.Allows(3, region, Rights(Right::kAppend) | Right::kRead));
    EXPECT_FALSE(identity.Allows(3, region, Right::kDelete));
    EXPECT_FALSE(identity.Allows(3, region, Rights(Right::kRead) | Right::kAdmin));
    EXPECT_TRUE(identity.KnowsRegion(3, region));
    EXPECT_FALSE(identity.Allows(2, region, Right::kAppend));
    EXPECT_FALSE(identity.Allows(0, region, Right::kAppend));
  }
  for (const RegionId region :
       {RegionId{0}, RegionId{4}, RegionId{6}, RegionId{9}, RegionId{20}, RegionId{UINT64_MAX}}) {
    EXPECT_FALSE(identity.Allows(3, region, Right::kAppend)) << region;
    EXPECT_FALSE(identity.KnowsRegion(3, region));
  }
  EXPECT_TRUE(identity.KnowsNamespace(3));
  EXPECT_FALSE(identity.KnowsNamespace(2));
  EXPECT_FALSE(identity.KnowsNamespace(0));
}

TEST(IdentityTest, RightsAddUpOverRules) {
  const Identity identity(
      IdentityWithRules({{.namespace_id = 0, .regions = {{0, 100}}, .append = true},
                         {.namespace_id = 1, .regions = {{50, 200}}, .read = true}}));
  const Rights both = Rights(Right::kAppend) | Right::kRead;
  EXPECT_TRUE(identity.Allows(1, 75, both));
  EXPECT_FALSE(identity.Allows(1, 49, both));
  EXPECT_FALSE(identity.Allows(1, 101, both));
  EXPECT_FALSE(identity.Allows(2, 75, both));
  EXPECT_TRUE(identity.Allows(2, 75, Right::kAppend));
}

TEST(IdentityTest, ARuleWithoutRightsOrRegionsShowsNothing) {
  const Identity identity(IdentityWithRules(
      {{.namespace_id = 1, .regions = {{0, 9}}}, {.namespace_id = 2, .admin = true}}));
  EXPECT_FALSE(identity.KnowsNamespace(1));
  EXPECT_FALSE(identity.KnowsRegion(1, 5));
  EXPECT_FALSE(identity.KnowsNamespace(2));
}

}  // namespace
}  // namespace walden
