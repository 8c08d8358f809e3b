#include "server/security/network_exposure_check.h"

#include <gtest/gtest.h>

#include <string>

namespace walden {
namespace {

TEST(NetworkExposureCheckTest, LoopbackAndUnixSocketsAreLocal) {
  for (const std::string address : {"unix:/run/walden.sock", "127.0.0.1:7070", "127.255.255.255:1",
                                    "[::1]:7070", "localhost:7070", "[::ffff:127.0.0.1]:7070"}) {
    EXPECT_TRUE(IsLocalAddress(address)) << address;
  }
}

TEST(NetworkExposureCheckTest, EverythingElseIsNotNorIsWhatCannotBeResolved) {
  for (const std::string address :
       {"0.0.0.0:7070", "[::]:7070", "0:7070", "128.0.0.1:7070", "10.0.0.1:7070", "*:7070",
        "[::ffff:10.0.0.1]:7070", "[fe80::1]:7070", "127.0.0.1.invalid:7070", "[]:7070"}) {
    EXPECT_FALSE(IsLocalAddress(address)) << address;
  }
}

TEST(NetworkExposureCheckTest, EveryAddressOfTheListCounts) {
  Config config;
  config.listen = {"127.0.0.1:1", "unix:/x", "0.0.0.0:2"};
  const absl::Status status = CheckNetworkExposure(config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("listen[2]: \"0.0.0.0:2\""), std::string::npos) << status;
  config.security.allow_insecure_network = true;
  EXPECT_TRUE(CheckNetworkExposure(config).ok());
}

}  // namespace
}  // namespace walden
