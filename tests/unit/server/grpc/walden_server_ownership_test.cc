// Reading a log that another node owns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "engine/wait.h"
#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {
namespace {

using ::testing::ElementsAre;

class OwnedElsewhereTest : public WaldenServerTest {
 protected:
  OwnedElsewhereTest() {
    engine_options_ = {.store = std::make_shared<MemoryStore>(),
                       .identity = "here",
                       .address = "here:7070",
                       .owns_by_opening = false};
    Start();
    other_ = std::make_unique<MemoryEngine>(MemoryEngineOptions{.store = engine_options_.store,
                                                                .identity = "other",
                                                                .address = "other:7070",
                                                                .owns_by_opening = false});
    auto log = OpenRegionAndWait(*other_, 1, {}, /*create=*/true);
    EXPECT_TRUE(log.ok()) << log.status();
    owned_ = *std::move(log);
    absl::Status acquired;
    owned_->Acquire({.region_version = 3},
                    [&acquired](const absl::Status& status) { acquired = status; });
    EXPECT_TRUE(acquired.ok()) << acquired;
    EXPECT_TRUE(CommitThere({"a", "b"}).ok());
  }

  grpc::Status Recover(const v1::RecoverRequest& request, v1::RecoverResponse* all) {
    grpc::ClientContext call;
    const auto stream = wal_->Recover(&call, request);
    v1::RecoverResponse part;
    while (stream->Read(&part)) all->MergeFrom(part);
    return stream->Finish();
  }

  absl::Status CommitThere(std::vector<absl::string_view> payloads) {
    AppendBatch batch;
    batch.tables = {{.table = 1, .payloads = std::move(payloads)}};
    AppendBatch* group[] = {&batch};
    CommitAndWait(*owned_, group);
    return batch.result.status;
  }

  std::unique_ptr<MemoryEngine> other_;
  std::unique_ptr<RegionLog> owned_;
};

TEST_F(OwnedElsewhereTest, AReaderIsToldThatWhatItReadsMayBeStale) {
  v1::ReadResponse all;
  ASSERT_TRUE(Read(ReadOf(1, 1), &all).ok());
  EXPECT_THAT(PayloadsOf(all), ElementsAre("a", "b"));
  EXPECT_TRUE(all.may_be_stale());
  v1::RecoverRequest request;
  request.set_region_id(1);
  v1::RecoverResponse recovered;
  ASSERT_TRUE(Recover(request, &recovered).ok());
  EXPECT_EQ(recovered.summary().record_count(), 2u);
  EXPECT_TRUE(recovered.may_be_stale());
  EXPECT_EQ(engine_options_.store->Region(1)->owner(), "other:7070") << "reading owns nothing";
}

TEST_F(OwnedElsewhereTest, AReaderThatAcquiresReadsWhatNobodyElseCanChange) {
  v1::ReadRequest request = ReadOf(1, 1);
  request.mutable_acquire();
  v1::ReadResponse all;
  EXPECT_EQ(ReasonOf(Read(request, &all)), "OWNED_ELSEWHERE");
  request.mutable_acquire()->set_region_version(2);
  EXPECT_EQ(ReasonOf(Read(request, &all)), "FENCED");
  EXPECT_EQ(engine_options_.store->Region(1)->owner(), "other:7070");
  request.mutable_acquire()->set_region_version(4);
  all.Clear();
  ASSERT_TRUE(Read(request, &all).ok());
  EXPECT_THAT(PayloadsOf(all), ElementsAre("a", "b"));
  EXPECT_FALSE(all.may_be_stale());
  EXPECT_EQ(engine_options_.store->Region(1)->owner(), "here:7070");
  EXPECT_FALSE(CommitThere({"late"}).ok());
  EXPECT_TRUE(Append(1, 1, {"c"}).ok());
}

TEST_F(OwnedElsewhereTest, RecoverAcquiresTooAndAnAbsentRegionIsNobodys) {
  v1::RecoverRequest request;
  request.set_region_id(1);
  request.mutable_acquire()->set_region_version(9);
  v1::RecoverResponse recovered;
  ASSERT_TRUE(Recover(request, &recovered).ok());
  EXPECT_FALSE(recovered.may_be_stale());
  EXPECT_EQ(engine_options_.store->Region(1)->owner(), "here:7070");
  request.set_region_id(77);
  recovered.Clear();
  ASSERT_TRUE(Recover(request, &recovered).ok());
  EXPECT_TRUE(recovered.may_be_stale()) << "another may have begun it meanwhile";
}

TEST_F(OwnedElsewhereTest, AnAppendIsRefusedWithTheOwnersAddress) {
  const grpc::Status refused = Append(1, 1, {"c"});
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(refused), "OWNED_ELSEWHERE");
  EXPECT_THAT(refused.error_message(), ::testing::HasSubstr("other:7070"));
}

}  // namespace
}  // namespace walden
