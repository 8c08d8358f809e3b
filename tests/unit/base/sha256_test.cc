#include "base/sha256.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace walden {
namespace {

TEST(Sha256Test, HashesAsTheStandardSays) {
  const Sha256 hash = Sha256Of("abc");
  EXPECT_EQ(absl::BytesToHexString(
                absl::string_view(reinterpret_cast<const char*>(hash.data()), hash.size())),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256Test, ANulByteCounts) { EXPECT_NE(Sha256Of(""), Sha256Of(absl::string_view("\0", 1))); }

}  // namespace
}  // namespace walden
