#include "server/limits/tenant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

constexpr uint64_t kTenantMiB = uint64_t{1} << 20;

class TenantTest : public ::testing::Test {
 protected:
  Tenant& Limited(const TenantLimits& limits) {
    tenants_.SetPolicy({.everybody = limits});
    return tenants_.Of("ingest");
  }

  static void ExpectRefused(const absl::Status& status, absl::string_view field) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    ASSERT_TRUE(HasReason(status, ErrorReason::kTenantLimit)) << status;
    EXPECT_EQ(GetErrorInfo(status)->metadata["field"], field);
    EXPECT_EQ(GetErrorInfo(status)->metadata["identity"], "ingest");
  }

  static absl::Status Enter(Tenant& tenant) { return tenant.CheckCalls(tenant.EnterCall()); }

  static int64_t RetryAfterMillis(const absl::Status& status) {
    return std::stoll(GetErrorInfo(status)->metadata[std::string(kRetryAfterMillisKey)]);
  }

  ManualClock clock_;
  Tenants tenants_{&clock_};
};

TEST_F(TenantTest, WithoutLimitsNothingIsRefused) {
  Tenant& tenant = Limited({});
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(Enter(tenant).ok());
    EXPECT_TRUE(tenant.TryAcquire(kTenantMiB, kTenantMiB).ok());
  }
  EXPECT_TRUE(tenant.HasRoom());
}

TEST_F(TenantTest, OneCallTooManyIsRefusedUntilAnotherEnds) {
  Tenant& tenant = Limited({.calls = 2});
  EXPECT_TRUE(Enter(tenant).ok());
  EXPECT_TRUE(Enter(tenant).ok());
  ExpectRefused(Enter(tenant), "limits.identity_calls");
  tenant.LeaveCall();  // the refused one
  ExpectRefused(Enter(tenant), "limits.identity_calls");
  tenant.LeaveCall();
  tenant.LeaveCall();
  EXPECT_TRUE(Enter(tenant).ok());
}

TEST_F(TenantTest, BytesInFlightAreRefusedUntilOthersAreAnswered) {
  Tenant& tenant = Limited({.in_flight_bytes = 100});
  EXPECT_TRUE(tenant.TryAcquire(60, 60).ok());
  ExpectRefused(tenant.TryAcquire(60, 60), "limits.identity_in_flight_bytes");
  EXPECT_TRUE(tenant.TryAcquire(40, 40).ok());
  EXPECT_FALSE(tenant.HasRoom());
  tenant.Release(60);
  EXPECT_TRUE(tenant.HasRoom());
  EXPECT_TRUE(tenant.TryAcquire(60, 60).ok());
}

TEST_F(TenantTest, ABatchLargerThanTheLimitPassesAlone) {
  Tenant& tenant = Limited({.in_flight_bytes = 100});
  EXPECT_TRUE(tenant.TryAcquire(500, 500).ok());
  EXPECT_FALSE(tenant.TryAcquire(1, 1).ok());
  tenant.Release(500);
  EXPECT_EQ(tenant.in_flight_bytes(), 0u);
}

TEST_F(TenantTest, ARateLetsABurstOfOneSecondPassAndThenItsBytes) {
  Tenant& tenant = Limited({.append_bytes_per_second = kTenantMiB});
  EXPECT_TRUE(tenant.TryAcquire(0, kTenantMiB).ok());
  EXPECT_TRUE(tenant.TryAcquire(0, kTenantMiB).ok()) << "owed, and to be waited for";
  const absl::Status refused = tenant.TryAcquire(0, kTenantMiB);
  ExpectRefused(refused, "limits.identity_append_bytes_per_second");
  EXPECT_EQ(RetryAfterMillis(refused), 1000);
  EXPECT_FALSE(tenant.HasRoom());
  clock_.Advance(absl::Milliseconds(1001));
  EXPECT_TRUE(tenant.TryAcquire(0, kTenantMiB).ok());
  EXPECT_FALSE(tenant.TryAcquire(0, kTenantMiB).ok());
}

TEST_F(TenantTest, OverALongTimeNoMoreThanTheRatePasses) {
  Tenant& tenant = Limited({.append_bytes_per_second = 10 * kTenantMiB});
  uint64_t passed = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (tenant.TryAcquire(0, 64 << 10).ok()) passed += 64 << 10;
    clock_.Advance(absl::Milliseconds(1));
  }
  EXPECT_GT(passed, 100 * 10 * kTenantMiB - kTenantMiB);
  EXPECT_LT(passed, 102 * 10 * kTenantMiB);
}

TEST_F(TenantTest, WhatWasNotAppendedIsNotOwed) {
  Tenant& tenant = Limited({.append_bytes_per_second = kTenantMiB});
  EXPECT_TRUE(tenant.TryAcquire(0, 8 * kTenantMiB).ok());
  EXPECT_FALSE(tenant.HasRoom());
  tenant.Return(8 * kTenantMiB);
  EXPECT_TRUE(tenant.HasRoom());
}

TEST_F(TenantTest, WhatWasReadOfStreamsPassesTheLimitsAndLeavesNoRoomToReadOn) {
  Tenant& tenant = Limited({.in_flight_bytes = 100});
  for (int streams = 0; streams < 3; ++streams) {
    EXPECT_EQ(tenant.HasRoom(), streams < 2);
    tenant.AcquireSlowed(90, 90);
  }
  EXPECT_EQ(tenant.in_flight_bytes(), 270u);
  EXPECT_EQ(tenant.refusals(), 0u);
  tenant.Release(180);
  EXPECT_TRUE(tenant.HasRoom());
}

TEST_F(TenantTest, ACallThatIsNotCheckedIsNoRefusal) {
  Tenant& tenant = Limited({.calls = 1});
  EXPECT_EQ(tenant.EnterCall(), 1u);
  EXPECT_EQ(tenant.EnterCall(), 2u);
  EXPECT_EQ(tenant.refusals(), 0u);
}

TEST_F(TenantTest, EveryIdentityHasLimitsOfItsOwnAndNamedOnesTheirs) {
  tenants_.SetPolicy({.everybody = {.calls = 1}, .named = {{"vip", {.calls = 2}}}});
  EXPECT_TRUE(Enter(tenants_.Of("ingest")).ok());
  EXPECT_FALSE(Enter(tenants_.Of("ingest")).ok());
  EXPECT_TRUE(Enter(tenants_.Of("other")).ok());
  EXPECT_TRUE(Enter(tenants_.Of("vip")).ok());
  EXPECT_TRUE(Enter(tenants_.Of("vip")).ok());
  EXPECT_FALSE(Enter(tenants_.Of("vip")).ok());
  EXPECT_TRUE(Enter(tenants_.anonymous()).ok());
  EXPECT_FALSE(Enter(tenants_.anonymous()).ok());
}

TEST_F(TenantTest, OnlyWhoIsToldApartIsKeptFromFillingTheMailboxesByDefault) {
  tenants_.SetPolicy({.default_in_flight_bytes = 100});
  EXPECT_EQ(tenants_.Of("ingest").limits().in_flight_bytes, 100u);
  EXPECT_EQ(tenants_.anonymous().limits().in_flight_bytes, 0u);
}

TEST_F(TenantTest, NewLimitsHoldAtOnceAndForgiveWhatWasOwed) {
  Tenant& tenant = Limited({.append_bytes_per_second = 1});
  EXPECT_TRUE(tenant.TryAcquire(0, kTenantMiB).ok());
  EXPECT_FALSE(tenant.HasRoom());
  tenants_.SetPolicy({.everybody = {.append_bytes_per_second = kTenantMiB}});
  EXPECT_TRUE(tenant.HasRoom());
}

struct CountingRoomWaiter final : RoomWaiter {
  explicit CountingRoomWaiter(const Tenant& of) : tenant(of) {}
  bool HasRoom() const override { return tenant.HasRoom(); }
  void OnRoom() override { ++woken; }
  const Tenant& tenant;
  int woken = 0;
};

TEST_F(TenantTest, AWaiterIsWokenOnceThereIsRoomAndNotAfterItWasForgotten) {
  Tenant& tenant = Limited({.in_flight_bytes = 10});
  ASSERT_TRUE(tenant.TryAcquire(10, 10).ok());
  CountingRoomWaiter one(tenant);
  CountingRoomWaiter forgotten(tenant);
  tenants_.Wait(&one);
  tenants_.Wait(&forgotten);
  tenants_.WakeWaiting();
  EXPECT_EQ(one.woken, 0);
  tenants_.Forget(&forgotten);
  tenant.Release(10);
  tenants_.WakeWaiting();
  tenants_.WakeWaiting();
  EXPECT_EQ(one.woken, 1);
  EXPECT_EQ(forgotten.woken, 0);
}

}  // namespace
}  // namespace walden
