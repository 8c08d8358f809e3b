#include "server/region/namespace_opener.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "tests/support/memory_engine/memory_engine.h"
#include "tests/unit/server/region/jobs.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

absl::Status IoError() {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError, "LOCK: EIO");
}

// Two namespaces, 1 and 2, of which each attempt to open ends with `opened_[id]`.
class NamespaceOpenerTest : public ::testing::Test {
 protected:
  NamespaceOpenerTest() {
    NamespaceSet namespaces;
    for (const NamespaceId id : {1, 2}) {
      auto ns = std::make_unique<Namespace>();
      ns->id = id;
      auto late = std::make_unique<LateEngine>("memory");
      ns->late = late.get();
      ns->engine = std::move(late);
      ns->open = [this, id]() -> absl::StatusOr<std::unique_ptr<LogEngine>> {
        ++attempts_[id];
        if (!opened_[id].ok()) return opened_[id];
        return std::make_unique<MemoryEngine>();
      };
      namespaces.Add(std::move(ns));
    }
    registry_ = std::make_unique<RegionRegistry>(
        RegistryOptions{}, std::move(namespaces),
        RegistryEnvironment{&clock_, &executor_, &executor_, &statistics_, &events_});
    registry_->OpenAll([](const StartSummary&) {});
    opener_ = std::make_unique<NamespaceOpener>(
        NamespaceOpener::Environment{registry_.get(), &clock_, &executor_, policy_});
  }
  ~NamespaceOpenerTest() override { executor_.RunAll(); }

  void Start() {
    opener_->Start([this] { ++decided_; });
    executor_.RunAll();
  }
  void After(absl::Duration wait) {
    clock_.Advance(wait);
    opener_->Tick();
    executor_.RunAll();
  }
  bool IsOpen(NamespaceId id) const { return registry_->namespaces().Find(id)->late->is_open(); }

  ManualClock clock_;
  ManualExecutor executor_;
  Statistics statistics_;
  RegionEvents events_;
  const ReopenPolicy policy_;
  std::map<NamespaceId, absl::Status> opened_;
  std::map<NamespaceId, int> attempts_;
  int decided_ = 0;
  std::unique_ptr<RegionRegistry> registry_;
  std::unique_ptr<NamespaceOpener> opener_;
};

TEST_F(NamespaceOpenerTest, EveryNamespaceIsOpenedAndThatIsToldOnce) {
  Start();
  EXPECT_TRUE(IsOpen(1));
  EXPECT_TRUE(IsOpen(2));
  EXPECT_EQ(decided_, 1);
  After(absl::Hours(1));
  EXPECT_EQ(attempts_[1], 1);
}

TEST_F(NamespaceOpenerTest, OneThatFailsStopsNoOtherAndIsTriedAgainAfterGrowingWaits) {
  opened_[1] = IoError();
  Start();
  EXPECT_EQ(decided_, 1);
  EXPECT_TRUE(IsOpen(2));
  EXPECT_EQ(registry_->NamespaceFailures().size(), 1u);
  After(policy_.backoff);
  EXPECT_EQ(attempts_[1], 2);
  After(policy_.backoff);
  EXPECT_EQ(attempts_[1], 2) << "the wait has doubled";
  After(policy_.backoff);
  EXPECT_EQ(attempts_[1], 3);
  for (int i = 0; i < 20; ++i) After(policy_.longest);
  EXPECT_EQ(attempts_[1], 23) << "there is no last attempt";
  opened_[1] = absl::OkStatus();
  After(policy_.longest);
  EXPECT_TRUE(IsOpen(1));
  EXPECT_TRUE(registry_->NamespaceFailures().empty());
  EXPECT_EQ(decided_, 1);
}

TEST_F(NamespaceOpenerTest, WhatOnlySomebodyCanMendIsNotTriedAgain) {
  opened_[1] = MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongNamespace,
                         "the directory is of namespace 7");
  opened_[2] = MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption, "CURRENT is gone");
  Start();
  After(absl::Hours(1));
  EXPECT_EQ(attempts_[1], 1);
  EXPECT_EQ(attempts_[2], 1);
  EXPECT_EQ(registry_->NamespaceFailures().size(), 2u);
}

TEST_F(NamespaceOpenerTest, AfterStopNothingIsOpened) {
  opened_[1] = IoError();
  Start();
  opener_->Stop();
  After(absl::Hours(1));
  EXPECT_EQ(attempts_[1], 1);
}

}  // namespace
}  // namespace walden
