#include "base/nearest_name.h"

#include <gtest/gtest.h>

namespace walden {
namespace {

const std::vector<std::string> kKnown = {"listen", "data_dir", "limits.max_batch_bytes",
                                         "limits.max_batch_records", "log"};

TEST(NearestName, FindsTheNameThatWasMeant) {
  EXPECT_EQ(NearestName("listne", kKnown), "listen");
  EXPECT_EQ(NearestName("datadir", kKnown), "data_dir");
  EXPECT_EQ(NearestName("limits.max_batch_record", kKnown), "limits.max_batch_records");
  EXPECT_EQ(DidYouMean("lisen", kKnown), ", did you mean listen?");
}

TEST(NearestName, FindsNothingWhenNothingIsNear) {
  EXPECT_EQ(NearestName("compression", kKnown), "");
  EXPECT_EQ(NearestName("", kKnown), "");
  EXPECT_EQ(NearestName(std::string(100000, 'l'), kKnown), "");
  EXPECT_EQ(DidYouMean("compression", kKnown), "");
}

}  // namespace
}  // namespace walden
