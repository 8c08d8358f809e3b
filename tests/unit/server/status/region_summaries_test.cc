#include "server/status/region_summaries.h"

#include "tests/unit/server/grpc/walden_server_fixture.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

constexpr uint64_t kMiB = 1 << 20;

SegmentDescription Segment(uint64_t id, SequenceNumber first, SequenceNumber last,
                           std::vector<SegmentTableRange> tables) {
  return {.id = id,
          .allocated_bytes = kMiB,
          .used_bytes = kMiB,
          .first = first,
          .last = last,
          .tables = std::move(tables)};
}

TEST(DiskHolderTest, IsTheTableThatAloneHoldsMostSegments) {
  const RegionDescription description{
      .segments = {Segment(0, 1, 10, {{7, 1, 10}, {8, 2, 9}}), Segment(1, 11, 20, {{8, 11, 12}}),
                   Segment(2, 21, 30, {{8, 21, 21}}), Segment(3, 31, 40, {{7, 31, 40}}),
                   Segment(4, 41, 50, {{9, 41, 50}})}};
  const auto holder = DiskHolderOf(description);
  ASSERT_TRUE(holder.has_value());
  EXPECT_EQ(holder->table, 8u);
  EXPECT_EQ(holder->bytes, 2 * kMiB);
}

TEST(DiskHolderTest, IsNobodyWhereEverySegmentIsSharedOrTheNewest) {
  EXPECT_FALSE(DiskHolderOf({.segments = {Segment(0, 1, 10, {{7, 3, 10}, {8, 2, 9}}),
                                          Segment(1, 11, 20, {{7, 11, 12}})}})
                   .has_value());
  EXPECT_FALSE(DiskHolderOf({}).has_value());
}

using RegionSummariesTest = WaldenServerTest;

TEST_F(RegionSummariesTest, LookingOftenCostsNothingMore) {
  ASSERT_TRUE(Append(3, 1, {"a"}).ok());
  ManualClock clock;
  RegionSummaries summaries(&clock);
  const auto picture = summaries.Look(Registry());
  ASSERT_EQ(picture->regions.size(), 1u);
  ASSERT_TRUE(Append(3, 1, {"b"}).ok());
  clock.Advance(RegionSummaries::kLookInterval / 2);
  EXPECT_EQ(summaries.Look(Registry()), picture);
  clock.Advance(RegionSummaries::kLookInterval);
  EXPECT_EQ(summaries.Look(Registry())->regions[0].usage->live_records, 2u);
}

TEST_F(RegionSummariesTest, AClosedRegionIsLetGoAndListedAsClosed) {
  ASSERT_TRUE(Append(3, 1, {"a"}).ok());
  ManualClock clock;
  RegionSummaries summaries(&clock);
  summaries.Look(Registry());
  ASSERT_NE(summaries.Describe(Registry(), {1, 3}).description, nullptr);
  v1::CloseRegionRequest request;
  request.set_region_id(3);
  v1::CloseRegionResponse response;
  grpc::ClientContext call;
  ASSERT_TRUE(admin_->CloseRegion(&call, request, &response).ok());
  clock.Advance(RegionSummaries::kListInterval);
  const auto picture = summaries.Look(Registry());
  ASSERT_EQ(picture->regions.size(), 1u);
  EXPECT_EQ(picture->regions[0].state, RegionSummary::State::kClosed);
  EXPECT_FALSE(picture->regions[0].usage.has_value());
  EXPECT_EQ(summaries.Describe(Registry(), {1, 3}).description, nullptr);
}

// A clock by which every description takes 30 ms.
class SlowClock final : public Clock {
 public:
  absl::Duration Now() const override {
    now_ += absl::Milliseconds(30);
    return now_;
  }

 private:
  mutable absl::Duration now_ = absl::Hours(1);
};

TEST_F(RegionSummariesTest, ARegionThatIsLongToDescribeIsLeftInPeaceForLonger) {
  ASSERT_TRUE(Append(3, 1, {"a"}).ok());
  SlowClock clock;
  RegionSummaries summaries(&clock);
  const auto first = summaries.Describe(Registry(), {1, 3});
  ASSERT_NE(first.description, nullptr);
  EXPECT_EQ(summaries.Describe(Registry(), {1, 3}).description, first.description);
  for (int i = 0; i < RegionSummaries::kRestFactor; ++i) clock.Now();
  EXPECT_NE(summaries.Describe(Registry(), {1, 3}).description, first.description);
}

}  // namespace
}  // namespace walden
