#include "server/security/identity_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/sha256.h"

namespace walden {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "walden_a-token-that-is-long-enough-to-be-one";

IdentityConfig NamedIdentity(std::string name, std::vector<IdentityRule> rules = {}) {
  IdentityConfig config;
  config.name = std::move(name);
  config.rules = std::move(rules);
  return config;
}

IdentitySet OfThree() {
  IdentityConfig token = NamedIdentity("token");
  token.token_hashes = {Sha256Of(kToken), Sha256Of("its older one")};
  IdentityConfig certificate = NamedIdentity("certificate");
  certificate.certificate_names = {"db.example", "spiffe://example/db"};
  IdentityConfig both = NamedIdentity("both");
  both.token_hashes = {Sha256Of("another token")};
  both.certificate_names = {"both.example"};
  return IdentitySet({token, certificate, both});
}

// The name of who was recognised, or the reason why nobody was.
std::string Recognised(const IdentitySet& identities, std::vector<absl::string_view> authorization,
                       std::vector<std::string> certificate_names = {}) {
  const auto identity = Recognise(identities, {.authorization = std::move(authorization),
                                               .certificate_names = std::move(certificate_names)});
  if (identity.ok()) return (*identity)->name();
  EXPECT_EQ(identity.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(HasReason(identity.status(), ErrorReason::kUnauthenticated));
  return std::string(identity.status().message());
}

TEST(IdentitySetTest, ATokenSaysWho) {
  const IdentitySet identities = OfThree();
  const std::string good = absl::StrCat("Bearer ", kToken);
  EXPECT_EQ(Recognised(identities, {good}), "token");
  EXPECT_EQ(Recognised(identities, {"bearer  its older one"}), "token");
  EXPECT_EQ(Recognised(identities, {"Bearer another token"}), "both");
}

TEST(IdentitySetTest, ACertificatesNameSaysWhoExactly) {
  const IdentitySet identities = OfThree();
  EXPECT_EQ(Recognised(identities, {}, {"x", "db.example"}), "certificate");
  EXPECT_EQ(Recognised(identities, {}, {"spiffe://example/db"}), "certificate");
  for (const std::string name : {"db.example.", "DB.example", "b.example", "", "db.exampl"}) {
    EXPECT_THAT(Recognised(identities, {}, {name}), HasSubstr("no name of the client certificate"))
        << name;
  }
}

TEST(IdentitySetTest, AWrongTokenIsNotMadeGoodByACertificate) {
  EXPECT_THAT(Recognised(OfThree(), {"Bearer wrong"}, {"db.example"}),
              HasSubstr("the token is not known"));
  EXPECT_EQ(Recognised(OfThree(), {"Bearer another token"}, {"db.example"}), "both");
}

TEST(IdentitySetTest, WhatIsNoTokenIsRefusedWithoutRepeatingIt) {
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

TEST(IdentitySetTest, NobodyIsRecognisedWhereNobodyIsKnown) {
  EXPECT_THAT(Recognised(IdentitySet({}), {"Bearer x"}), HasSubstr("not known"));
  EXPECT_THAT(Recognised(IdentitySet({}), {}), Not(HasSubstr("certificate")));
}

}  // namespace
}  // namespace walden
