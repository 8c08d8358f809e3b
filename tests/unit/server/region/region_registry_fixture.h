// The fixture of the tests of the registry: one namespace on an engine in memory, tasks that run when
// the test says so.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "server/region/region_registry.h"
#include "tests/support/memory_engine/memory_engine.h"
#include "tests/unit/server/region/jobs.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {

using FoundActor = absl::StatusOr<std::shared_ptr<RegionActor>>;

class RecordingEvents final : public RegionEvents {
 public:
  void OnBroken(const RegionKey& key, const absl::Status&) override {
    broken.push_back(key.region);
  }
  void OnClosed(const RegionKey& key, const absl::Status&) override {
    closed.push_back(key.region);
  }

  void OnReopenGivenUp(const RegionKey&, uint32_t) override { ++given_up; }

  std::vector<RegionId> broken;
  std::vector<RegionId> closed;
  int given_up = 0;
};

inline absl::Status Damaged() {
  return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption, "seg_0 is damaged");
}

class RegionRegistryTest : public ::testing::Test {
 protected:
  RegionRegistryTest() { Make(); }
  ~RegionRegistryTest() override { executor_.RunAll(); }

  void Make(std::unique_ptr<Namespace> second = nullptr) {
    NamespaceSet namespaces;
    auto ns = std::make_unique<Namespace>();
    ns->id = 1;
    ns->name = "data";
    auto engine = std::make_unique<MemoryEngine>();
    engine_ = engine.get();
    ns->engine = std::move(engine);
    namespaces.Add(std::move(ns));
    if (second != nullptr) namespaces.Add(std::move(second));
    registry_ = std::make_unique<RegionRegistry>(
        options_, std::move(namespaces),
        RegistryEnvironment{&clock_, &executor_, &executor_, &statistics_, &events_});
  }

  FoundActor Find(RegionId region) {
    std::optional<FoundActor> found;
    registry_->Find({1, region}, [&found](FoundActor actor) { found = std::move(actor); });
    executor_.RunAll();
    return *found;
  }

  absl::StatusOr<bool> Close(RegionId region) {
    std::optional<absl::StatusOr<bool>> closed;
    registry_->Close({1, region}, [&closed](absl::StatusOr<bool> result) { closed = result; });
    executor_.RunAll();
    return *closed;
  }

  void FailRegion(RegionId region);
  absl::Status AppendTo(RegionId region);

  ManualClock clock_;
  ManualExecutor executor_;
  Statistics statistics_;
  RecordingEvents events_;
  RegistryOptions options_;
  MemoryEngine* engine_ = nullptr;
  std::unique_ptr<RegionRegistry> registry_;
};

inline void RegionRegistryTest::FailRegion(RegionId region) {
  engine_->Region(region)->SetFate(MemoryRegion::Fate::kFail);
  TestAppend failing({"x"});
  registry_->Submit({1, region}, &failing);
  executor_.RunAll();
  EXPECT_FALSE(failing.result().status.ok());
}

inline absl::Status RegionRegistryTest::AppendTo(RegionId region) {
  TestAppend append({"x"});
  registry_->Submit({1, region}, &append);
  executor_.RunAll();
  return append.result().status;
}

}  // namespace walden
