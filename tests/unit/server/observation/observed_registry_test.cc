#include "server/observation/observed_registry.h"

#include <gtest/gtest.h>

#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

TEST(ObservedRegistryTest, IsLookedAtUntilItIsReleased) {
  ManualExecutor executor;
  Statistics statistics;
  RegionEvents events;
  const RegionRegistry registry(
      RegistryOptions{.max_open_regions = 7}, NamespaceSet(),
      RegistryEnvironment{Clock::Real(), &executor, &executor, &statistics, &events});
  ObservedRegistry observed(&registry);
  uint64_t limit = 0;
  const auto look = [&limit](const RegionRegistry& seen) { limit = seen.max_open_regions(); };
  EXPECT_TRUE(observed.With(look));
  EXPECT_EQ(limit, 7u);
  limit = 0;
  observed.Release();
  EXPECT_FALSE(observed.With(look));
  EXPECT_EQ(limit, 0u);
}

}  // namespace
}  // namespace walden
