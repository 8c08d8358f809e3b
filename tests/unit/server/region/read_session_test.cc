#include "server/region/read_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/support/memory_engine/memory_engine.h"
#include "tests/unit/server/region/jobs.h"
#include "tests/unit/server/region/manual_executor.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

class NoHost final : public ActorHost {
  void OnUnsynced(std::shared_ptr<RegionActor>) override {}
  void OnFailed(const RegionKey&, const absl::Status&) override {}
};

class ReadSessionTest : public ::testing::Test {
 protected:
  ReadSessionTest() {
    actor_ = std::make_shared<RegionActor>(
        ActorOptions{.key = {1, 1}}, *OpenRegionAndWait(engine_, 1, RegionOptions{}, true),
        ActorEnvironment{&executor_, &host_, &statistics_, &leaders_});
    TestAppend a({a_, b_, c_, d_});
    EXPECT_TRUE(actor_->Post(&a));
    executor_.RunAll();
  }

  // Large enough that bytes, not the number of records, fill a chunk.
  const std::string a_ = std::string(64, 'a');
  const std::string b_ = std::string(64, 'b');
  const std::string c_ = std::string(64, 'c');
  const std::string d_ = std::string(64, 'd');

  std::unique_ptr<ReadSession> Open(const SessionLimits& limits) {
    return *ReadSession::Open(actor_, ReadRange{.table = 1}, limits, &statistics_);
  }

  absl::StatusOr<ReadProgress> Fill(ReadSession& session) {
    seen_.clear();
    return session.Fill(SIZE_MAX, [this](const RecordView& record) {
      seen_.push_back(std::string(record.payload));
    });
  }

  MemoryEngine engine_;
  ManualExecutor executor_;
  NoHost host_;
  Statistics statistics_;
  LeaderSlots leaders_{1};
  std::shared_ptr<RegionActor> actor_;
  std::vector<std::string> seen_;
};

TEST_F(ReadSessionTest, FillsChunkAfterChunk) {
  const auto session = Open({.chunk_payload_bytes = 100});
  EXPECT_EQ(*Fill(*session), ReadProgress::kMore);
  EXPECT_THAT(seen_, ElementsAre(a_, b_));
  EXPECT_EQ(*Fill(*session), ReadProgress::kAtEnd);
  EXPECT_THAT(seen_, ElementsAre(c_, d_));
  EXPECT_EQ(session->records(), 4u);
  EXPECT_EQ(session->payload_bytes(), 256u);
  EXPECT_EQ(statistics_.read_records, 4u);
}

TEST_F(ReadSessionTest, FinishesAtTheLimitOfRecords) {
  const auto session = Open({.max_records = 3, .chunk_payload_bytes = 100});
  EXPECT_EQ(*Fill(*session), ReadProgress::kMore);
  EXPECT_EQ(*Fill(*session), ReadProgress::kFinished);
  EXPECT_THAT(seen_, ElementsAre(c_));
}

TEST_F(ReadSessionTest, TheRecordThatReachesTheLimitOfBytesIsThere) {
  const auto session = Open({.max_payload_bytes = 65});
  EXPECT_EQ(*Fill(*session), ReadProgress::kFinished);
  EXPECT_THAT(seen_, ElementsAre(a_, b_));
}

TEST_F(ReadSessionTest, RecordsInFrontOfDamageComeFirst) {
  engine_.Region(1)->SetDamagedAt(3);
  const auto session = Open({});
  EXPECT_EQ(*Fill(*session), ReadProgress::kMore);
  EXPECT_THAT(seen_, ElementsAre(a_, b_));
  EXPECT_TRUE(absl::IsDataLoss(Fill(*session).status()));
  EXPECT_TRUE(absl::IsDataLoss(Fill(*session).status())) << "and stays";
  EXPECT_EQ(session->records(), 2u);
}

TEST_F(ReadSessionTest, StopsInFrontOfARecordThatIsTooLarge) {
  const auto session = Open({});
  const auto visit = [this](const RecordView& r) { seen_.push_back(std::string(r.payload)); };
  EXPECT_EQ(*session->Fill(63, visit), ReadProgress::kTooLarge);
  EXPECT_EQ(session->too_large_bytes(), 64u);
  EXPECT_TRUE(seen_.empty());
  EXPECT_EQ(*session->Fill(64, visit), ReadProgress::kAtEnd);
  EXPECT_EQ(seen_.size(), 4u);
}

TEST_F(ReadSessionTest, GoesOnWhereItWasAfterResting) {
  const auto session = Open({.chunk_payload_bytes = 100});
  EXPECT_EQ(*Fill(*session), ReadProgress::kMore);
  session->Rest();
  EXPECT_EQ(*Fill(*session), ReadProgress::kAtEnd);
  EXPECT_THAT(seen_, ElementsAre(c_, d_));
  session->Rest();
  TestAppend more({"e"});
  ASSERT_TRUE(actor_->Post(&more));
  executor_.RunAll();
  EXPECT_EQ(*Fill(*session), ReadProgress::kAtEnd);
  EXPECT_THAT(seen_, ElementsAre("e"));
}

TEST_F(ReadSessionTest, EndsWhenTheRegionIsClosed) {
  const auto session = Open({.chunk_payload_bytes = 100});
  EXPECT_EQ(*Fill(*session), ReadProgress::kMore);
  actor_->Close([](const absl::Status&) {});
  executor_.RunAll();
  EXPECT_TRUE(absl::IsUnavailable(Fill(*session).status()));
}

// A dropped region's reader finds nothing any more.
class ReaderOfADroppedRegion final : public LogReader {
 public:
  explicit ReaderOfADroppedRegion(std::function<void()> drop) : drop_(std::move(drop)) {}

  absl::StatusOr<ReadProgress> Next(const ReadLimits&,
                                    absl::FunctionRef<void(const RecordView&)>) override {
    drop_();
    return ReadProgress::kFinished;
  }
  size_t too_large_bytes() const override { return 0; }
  SequenceNumber too_large_sequence() const override { return 0; }
  void EndHere() override {}

 private:
  const std::function<void()> drop_;
};

TEST_F(ReadSessionTest, EndsWithoutOkWhenTheRegionIsClosedWhileItReads) {
  auto reader = std::make_unique<ReaderOfADroppedRegion>([this] {
    actor_->Close([](const absl::Status&) {});
    executor_.RunAll();
  });
  const auto session = ReadSession::Over(actor_, std::move(reader), {}, &statistics_);
  EXPECT_TRUE(absl::IsUnavailable(Fill(*session).status()));
}

TEST_F(ReadSessionTest, IsCountedWhileItIsOpen) {
  auto session = Open({});
  EXPECT_EQ(statistics_.open_readers, 1u);
  session = nullptr;
  EXPECT_EQ(statistics_.open_readers, 0u);
}

}  // namespace
}  // namespace walden
