#include "server/security/audit.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace walden {
namespace {

class FakeClock final : public Clock {
 public:
  absl::Duration Now() const override { return now; }
  absl::Duration now = absl::Hours(1);
};

class Lines final : public AuditSink {
 public:
  void OnDenied(const AuditEntry& entry) override { denied.push_back(entry); }
  void OnAdminCall(const AuditEntry& entry) override { admin.push_back(entry); }
  void OnDenialsLeftOut(absl::string_view peer, uint64_t count) override {
    left_out.emplace_back(peer, count);
  }

  std::vector<AuditEntry> denied;
  std::vector<AuditEntry> admin;
  std::vector<std::pair<std::string, uint64_t>> left_out;
};

class AuditTest : public ::testing::Test {
 protected:
  void Deny(const std::string& peer, int times = 1) {
    for (int i = 0; i < times; ++i) {
      AuditEntry entry;
      entry.peer = peer;
      audit_.Denied(entry);
    }
  }

  FakeClock clock_;
  Lines lines_;
  Audit audit_{&lines_, &clock_};
};

TEST_F(AuditTest, PassesOnTenDenialsThenOneEveryTenSecondsAndCountsTheRest) {
  Deny("ipv4:10.0.0.1:1000", 100);
  EXPECT_EQ(lines_.denied.size(), 10u);
  EXPECT_EQ(audit_.left_out(), 90u);
  clock_.now += absl::Seconds(9);
  Deny("ipv4:10.0.0.1:1001");
  EXPECT_EQ(lines_.denied.size(), 10u);
  clock_.now += absl::Seconds(1);
  Deny("ipv4:10.0.0.1:1002", 5);
  ASSERT_EQ(lines_.denied.size(), 11u);
  EXPECT_EQ(lines_.denied.back().left_out, 91u);
}

TEST_F(AuditTest, OnePeerDoesNotSilenceAnother) {
  Deny("ipv4:10.0.0.1:1000", 100);
  Deny("ipv6:%5B::1%5D:1000", 1);
  Deny("unix:", 1);
  EXPECT_EQ(lines_.denied.size(), 12u);
}

TEST_F(AuditTest, ManyPeersShareWhatOneMay) {
  for (size_t i = 0; i < Audit::kMaxPeers; ++i) Deny(absl::StrCat("ipv4:10.0.0.", i, ":1"));
  EXPECT_EQ(lines_.denied.size(), Audit::kMaxPeers);
  for (int i = 0; i < 1000; ++i) Deny(absl::StrCat("ipv4:10.1.0.", i, ":1"));
  EXPECT_EQ(lines_.denied.size(), Audit::kMaxPeers + 10);
  EXPECT_EQ(audit_.left_out(), 990u);
}

TEST_F(AuditTest, WhatWasLeftOutIsToldOnceThePeerIsQuiet) {
  Deny("ipv4:10.0.0.1:1000", 100);
  audit_.Tick();
  EXPECT_TRUE(lines_.left_out.empty());
  clock_.now += absl::Seconds(30);
  audit_.Tick();
  ASSERT_EQ(lines_.left_out.size(), 1u);
  EXPECT_EQ(lines_.left_out[0], std::make_pair(std::string("ipv4:10.0.0.1"), uint64_t{90}));
  clock_.now += absl::Seconds(30);
  audit_.Tick();
  EXPECT_EQ(lines_.left_out.size(), 1u);
  // A peer that was quiet for long begins anew.
  clock_.now += absl::Minutes(10);
  audit_.Tick();
  Deny("ipv4:10.0.0.1:1000", 10);
  EXPECT_EQ(lines_.denied.size(), 20u);
}

TEST_F(AuditTest, EveryAdministrativeCallIsPassedOn) {
  for (int i = 0; i < 100; ++i) audit_.AdminCall({.peer = "ipv4:10.0.0.1:1000"});
  EXPECT_EQ(lines_.admin.size(), 100u);
}

}  // namespace
}  // namespace walden
