#include "server/daemon/file_budget.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace walden {
namespace {

constexpr FileBudget kWanted{.max_open_regions = 4096, .max_connections = 1024};

TEST(FileBudgetTest, WhatFitsStaysAsItIs) {
  for (const uint64_t permitted : {uint64_t{65536}, UINT64_MAX}) {
    const auto budget = DivideFiles(permitted, kWanted);
    ASSERT_TRUE(budget.ok());
    EXPECT_EQ(budget->max_open_regions, 4096u);
    EXPECT_EQ(budget->max_connections, 1024u);
  }
}

TEST(FileBudgetTest, WhatDoesNotFitIsLoweredSoThatBothHaveRoom) {
  for (const uint64_t permitted : {36, 40, 64, 256, 1024, 4096}) {
    const auto budget = DivideFiles(permitted, kWanted);
    ASSERT_TRUE(budget.ok()) << permitted;
    EXPECT_GE(budget->max_open_regions, 1u);
    EXPECT_GE(budget->max_connections, 1u);
    EXPECT_LE(32 + 3 * budget->max_open_regions + budget->max_connections, permitted);
  }
  EXPECT_EQ(DivideFiles(1024, kWanted)->max_connections, 496u);
  EXPECT_EQ(DivideFiles(1024, kWanted)->max_open_regions, 165u);
}

TEST(FileBudgetTest, ConnectionsWithoutALimitGetOneOnlyWhereFilesAreScarce) {
  const FileBudget unlimited{.max_open_regions = 100, .max_connections = 0};
  EXPECT_EQ(DivideFiles(1024, unlimited)->max_connections, 0u);
  EXPECT_EQ(DivideFiles(132, unlimited)->max_connections, 50u);
}

TEST(FileBudgetTest, TooFewForAnythingNamesWhatIsNeeded) {
  const absl::Status refused = DivideFiles(20, kWanted).status();
  EXPECT_TRUE(HasReason(refused, ErrorReason::kTooManyFiles));
  EXPECT_EQ(GetErrorInfo(refused)->metadata["limit"], "36");
}

}  // namespace
}  // namespace walden
