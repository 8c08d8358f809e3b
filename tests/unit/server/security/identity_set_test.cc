#include "server/security/identity_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace walden {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "walden_a-token-that-is-long-enough-to-be-one";

IdentityConfig Config(std::string name, std::vector<IdentityRule> rules = {}) {
  IdentityConfig config;
  config.name = std::move(name);
  config.rules = std::move(rules);
  return config;
}

IdentitySet OfThree() {
  IdentityConfig token = Config("token");
  token.token_hashes = {HashToken(kToken), HashToken("its older one")};
  IdentityConfig certificate = Config("certificate");
  certificate.certificate_names = {"db.example", "spiffe://example/db"};
  IdentityConfig both = Config("both");
  both.token_hashes = {HashToken("another token")};
  both.certificate_names = {"both.example"};
  return IdentitySet({token, certificate, both});
}

// The name of who was recognised, or the reason why nobody was.
std::string Recognised(const IdentitySet& identities, std::vector<absl::string_view> authorization,
                       std::vector<std::string> certificate_names = {}) {
  const auto identity = Recognise(identities, {.authorization = std::move(authorization),
                                               .certificate_names = std::move(certificate_names)});
  if (identity.ok()) return std::string((*identity)->name());
  EXPECT_EQ(identity.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(HasReason(identity.status(), ErrorReason::kUnauthenticated));
  return std::string(identity.status().message());
}

TEST(HashTokenTest, IsSha256) {
  const Sha256 hash = HashToken("abc");
  EXPECT_EQ(absl::BytesToHexString(
                absl::string_view(reinterpret_cast<const char*>(hash.data()), hash.size())),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_NE(HashToken(""), HashToken(absl::string_view("\0", 1)));
}

TEST(RecognitionTest, ATokenSaysWho) {
  const IdentitySet identities = OfThree();
  const std::string good = absl::StrCat("Bearer ", kToken);
  EXPECT_EQ(Recognised(identities, {good}), "token");
  EXPECT_EQ(Recognised(identities, {"bearer  its older one"}), "token");
  EXPECT_EQ(Recognised(identities, {"Bearer another token"}), "both");
}

TEST(RecognitionTest, ACertificatesNameSaysWhoExactly) {
  const IdentitySet identities = OfThree();
  EXPECT_EQ(Recognised(identities, {}, {"x", "db.example"}), "certificate");
  EXPECT_EQ(Recognised(identities, {}, {"spiffe://example/db"}), "certificate");
  for (const std::string name : {"db.example.", "DB.example", "b.example", "", "db.exampl"}) {
    EXPECT_THAT(Recognised(identities, {}, {name}), HasSubstr("no name of the client certificate"))
        << name;
  }
}

TEST(RecognitionTest, AWrongTokenIsNotMadeGoodByACertificate) {
  EXPECT_THAT(Recognised(OfThree(), {"Bearer wrong"}, {"db.example"}),
              HasSubstr("the token is not known"));
  EXPECT_EQ(Recognised(OfThree(), {"Bearer another token"}, {"db.example"}), "both");
}

TEST(RecognitionTest, WhatIsNoTokenIsRefusedWithoutRepeatingIt) {
  const std::string good = absl::StrCat("Bearer ", kToken);
  const std::string huge = absl::StrCat("Bearer ", std::string(5000, 'x'));
  const std::vector<std::vector<absl::string_view>> all = {
      {},
      {""},
      {"Bearer"},
      {"Bearer "},
      {kToken},
      {"Basic x"},
      {good, good},
      {good, ""},
      {huge},
      {"Bearer \xff\xfe"},
      {absl::string_view("Bearer \0", 8)},
  };
  for (const auto& authorization : all) {
    const std::string said = Recognised(OfThree(), authorization);
    EXPECT_THAT(said, HasSubstr("authorization: Bearer TOKEN"));
    EXPECT_THAT(said, Not(HasSubstr(kToken)));
    EXPECT_LT(said.size(), 300u);
  }
}

TEST(RecognitionTest, NobodyIsRecognisedWhereNobodyIsKnown) {
  EXPECT_THAT(Recognised(IdentitySet({}), {"Bearer x"}), HasSubstr("not known"));
  EXPECT_THAT(Recognised(IdentitySet({}), {}), Not(HasSubstr("certificate")));
}

TEST(ConfiguredIdentityTest, RightsHoldInTheirNamespaceAndRegionsOnly) {
  const ConfiguredIdentity identity(Config(
      "x", {{.namespace_id = 3, .regions = {{5, 5}, {10, 19}}, .append = true, .read = true}}));
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

TEST(ConfiguredIdentityTest, RightsAddUpOverRules) {
  const ConfiguredIdentity identity(
      Config("x", {{.namespace_id = 0, .regions = {{0, 100}}, .append = true},
                   {.namespace_id = 1, .regions = {{50, 200}}, .read = true}}));
  const Rights both = Rights(Right::kAppend) | Right::kRead;
  EXPECT_TRUE(identity.Allows(1, 75, both));
  EXPECT_FALSE(identity.Allows(1, 49, both));
  EXPECT_FALSE(identity.Allows(1, 101, both));
  EXPECT_FALSE(identity.Allows(2, 75, both));
  EXPECT_TRUE(identity.Allows(2, 75, Right::kAppend));
}

TEST(ConfiguredIdentityTest, ARuleWithoutRightsOrRegionsShowsNothing) {
  const ConfiguredIdentity identity(
      Config("x", {{.namespace_id = 1, .regions = {{0, 9}}}, {.namespace_id = 2, .admin = true}}));
  EXPECT_FALSE(identity.KnowsNamespace(1));
  EXPECT_FALSE(identity.KnowsRegion(1, 5));
  EXPECT_FALSE(identity.KnowsNamespace(2));
}

}  // namespace
}  // namespace walden
