// The words of errors that all engines share.
#include "engine/log_errors.h"

#include "gtest/gtest.h"

namespace walden {
namespace {

TEST(LogErrorsTest, LostRecordsAreNamedInTheSingularAndAsARange) {
  EXPECT_EQ(LostRecords(5, 5), "record 5");
  EXPECT_EQ(LostRecords(5, 9), "records 5 to 9");
  EXPECT_EQ(LostRecords(0, 0), "no record");
}

}  // namespace
}  // namespace walden
