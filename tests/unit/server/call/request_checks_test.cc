#include "server/call/request_checks.h"

#include <gtest/gtest.h>

#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "tests/support/memory_engine/memory_engine.h"

namespace walden {
namespace {

class RequestChecksTest : public ::testing::Test {
 protected:
  RequestChecksTest() {
    auto ns = std::make_unique<Namespace>();
    ns->id = 3;
    ns->name = "data";
    ns->engine = std::make_unique<MemoryEngine>();
    ns->overrides[9].default_durability = Durability::kBuffered;
    namespaces_.Add(std::move(ns));
    request_.set_region_id(8);
    request_.add_tables()->add_payloads("payload");
  }

  absl::StatusOr<RegionKey> Prepare() {
    const Call call(admission_, Method::kAppend, grpc_context_);
    return PrepareAppend(request_, call, limits_, job_);
  }

  v1::TableAppend& Table() { return *request_.mutable_tables(0); }

  // Field, value and limit of the refusal.
  std::string Refusal() {
    const absl::Status status = Prepare().status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    const auto info = GetErrorInfo(status);
    if (!info.has_value()) return "";
    const auto of = [&info](const char* key) {
      const auto found = info->metadata.find(key);
      return found == info->metadata.end() ? std::string("-") : found->second;
    };
    return info->reason + " " + of("field") + " " + of("value") + " " + of("limit");
  }

  struct Job final : AppendJob {
    void OnAnswered() override {}
  };

  NamespaceSet namespaces_;
  Statistics statistics_;
  LiveCalls live_calls_;
  Tenants tenants_{Clock::Real()};
  const CallAdmission admission_{.namespaces = namespaces_,
                                 .live_calls = live_calls_,
                                 .tenants = tenants_,
                                 .statistics = statistics_,
                                 .clock = *Clock::Real()};
  const RequestLimits limits_{
      .max_batch_bytes = 20, .max_batch_records = 3, .max_payload_bytes = 10};
  grpc::CallbackServerContext grpc_context_;
  v1::AppendRequest request_;
  Job job_;
};

TEST_F(RequestChecksTest, FillsTheBatchWithoutCopyingPayloads) {
  Table().set_table_id(4);
  request_.set_durability(v1::DURABILITY_BUFFERED);
  Table().set_expected_next_sequence(5);
  request_.set_region_version(6);
  request_.mutable_producer()->set_producer_id(7);
  request_.mutable_producer()->set_producer_sequence(8);
  const absl::StatusOr<RegionKey> key = Prepare();
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(*key, (RegionKey{3, 8}));
  EXPECT_EQ(job_.batch.tables.at(0).table, 4u);
  EXPECT_EQ(job_.batch.tables.at(0).payloads.at(0).data(), Table().payloads(0).data());
  EXPECT_EQ(job_.batch.durability, Durability::kBuffered);
  EXPECT_EQ(job_.batch.tables.at(0).expected_next_sequence, 5u);
  EXPECT_EQ(job_.batch.region_version, 6u);
  EXPECT_EQ(job_.batch.producer->id, 7u);
  EXPECT_EQ(job_.batch.producer->sequence, 8u);
  EXPECT_EQ(job_.payload_bytes, 7u);
}

TEST_F(RequestChecksTest, NothingOfAnEarlierRequestStaysInTheJob) {
  Table().set_expected_next_sequence(5);
  request_.set_region_version(6);
  request_.mutable_producer()->set_producer_id(7);
  request_.mutable_producer()->set_producer_sequence(8);
  ASSERT_TRUE(Prepare().ok());
  request_.Clear();
  request_.add_tables()->add_payloads("b");
  ASSERT_TRUE(Prepare().ok());
  EXPECT_FALSE(job_.batch.tables.at(0).expected_next_sequence.has_value());
  EXPECT_FALSE(job_.batch.region_version.has_value());
  EXPECT_FALSE(job_.batch.producer.has_value());
  EXPECT_EQ(job_.batch.tables.at(0).payloads.size(), 1u);
}

TEST_F(RequestChecksTest, UnspecifiedDurabilityIsTheRegionsDefault) {
  ASSERT_TRUE(Prepare().ok());
  EXPECT_EQ(job_.batch.durability, Durability::kSync);
  request_.set_region_id(9);
  ASSERT_TRUE(Prepare().ok());
  EXPECT_EQ(job_.batch.durability, Durability::kBuffered);
}

TEST_F(RequestChecksTest, AnEmptyPayloadIsLegalAndNoPayloadIsNot) {
  Table().set_payloads(0, "");
  EXPECT_TRUE(Prepare().ok());
  Table().clear_payloads();
  EXPECT_EQ(Refusal(), "INVALID_FIELD tables[0].payloads 0 -");
  request_.clear_tables();
  EXPECT_EQ(Refusal(), "INVALID_FIELD tables 0 -");
}

TEST_F(RequestChecksTest, LimitsAreNamed) {
  Table().set_payloads(0, "eleven byte");
  EXPECT_EQ(Refusal(), "LIMIT_EXCEEDED tables[0].payloads[0] 11 10");
  Table().set_payloads(0, "ten bytes.");
  Table().add_payloads("ten bytes.");
  EXPECT_TRUE(Prepare().ok()) << "exactly the limit";
  Table().add_payloads("1");
  EXPECT_EQ(Refusal(), "LIMIT_EXCEEDED payloads 21 20");
  for (int i = 0; i < 3; ++i) Table().set_payloads(i, "");
  EXPECT_TRUE(Prepare().ok());
  Table().add_payloads("");
  EXPECT_EQ(Refusal(), "LIMIT_EXCEEDED payloads 4 3");
}

TEST_F(RequestChecksTest, LimitsHoldForAllTablesOfABatch) {
  v1::TableAppend* const second = request_.add_tables();
  second->set_table_id(5);
  second->add_payloads("ten bytes.");
  ASSERT_TRUE(Prepare().ok());
  EXPECT_EQ(job_.payload_bytes, 17u);
  ASSERT_EQ(job_.batch.tables.size(), 2u);
  EXPECT_EQ(job_.batch.tables[1].table, 5u);
  second->add_payloads("four");
  EXPECT_EQ(Refusal(), "LIMIT_EXCEEDED payloads 21 20");
  second->set_payloads(1, "");
  second->add_payloads("");
  EXPECT_EQ(Refusal(), "LIMIT_EXCEEDED payloads 4 3");
  second->clear_payloads();
  EXPECT_EQ(Refusal(), "INVALID_FIELD tables[1].payloads 0 -");
  second->add_payloads("");
  second->set_table_id(Table().table_id());
  EXPECT_EQ(Refusal(), "INVALID_FIELD tables[1].table_id 0 -");
}

TEST_F(RequestChecksTest, WrongFieldsAreNamed) {
  request_.set_namespace_id(77);
  EXPECT_EQ(Refusal(), "UNKNOWN_NAMESPACE namespace_id 77 -");
  request_.set_namespace_id(3);
  request_.set_durability(static_cast<v1::Durability>(17));
  EXPECT_EQ(Refusal(), "INVALID_FIELD durability 17 -");
  request_.clear_durability();
  request_.mutable_producer()->set_producer_sequence(1);
  EXPECT_EQ(Refusal(), "INVALID_FIELD producer.producer_id 0 -");
  request_.mutable_producer()->set_producer_id(1);
  request_.mutable_producer()->set_producer_sequence(0);
  EXPECT_EQ(Refusal(), "INVALID_FIELD producer.producer_sequence 0 -");
  request_.clear_producer();
  request_.set_region_version(0);
  EXPECT_EQ(Refusal(), "INVALID_FIELD region_version 0 -");
  request_.set_region_version(1);
  EXPECT_TRUE(Prepare().ok());
}

TEST_F(RequestChecksTest, AnEnteredRegionHasTheIdOfItsNamespaceAlsoWhenTheDefaultWasAskedFor) {
  const Call call(admission_, Method::kAppend, grpc_context_);
  for (const uint32_t id : {0u, 3u}) {
    const absl::StatusOr<EnteredRegion> entered = call.EnterRegion(id, 8);
    ASSERT_TRUE(entered.ok()) << entered.status();
    EXPECT_EQ(entered->key, (RegionKey{3, 8}));
    EXPECT_EQ(entered->ns->name, "data");
  }
}

TEST_F(RequestChecksTest, NamespacesAboveTheirRangeAreUnknown) {
  const Call call(admission_, Method::kAppend, grpc_context_);
  for (const uint32_t id : {256u, 259u, UINT32_MAX}) {
    EXPECT_TRUE(HasReason(call.EnterNamespace(id).status(), ErrorReason::kUnknownNamespace)) << id;
    EXPECT_TRUE(HasReason(call.EnterRegion(id, 1).status(), ErrorReason::kUnknownNamespace)) << id;
  }
}

v1::Bound Inclusive(uint64_t value) {
  v1::Bound bound;
  bound.set_inclusive(value);
  return bound;
}
v1::Bound Exclusive(uint64_t value) {
  v1::Bound bound;
  bound.set_exclusive(value);
  return bound;
}

TEST(CheckBoundsTest, EveryKindOfBound) {
  struct Case {
    v1::Bound start, end;
    SequenceNumber first, last;
  };
  const Case cases[] = {
      {v1::Bound(), v1::Bound(), 0, kMaxSequenceNumber},
      {Inclusive(5), Inclusive(7), 5, 7},
      {Exclusive(5), Exclusive(7), 6, 6},
      {Inclusive(0), Inclusive(3), 1, 3},
      {Inclusive(5), Inclusive(5), 5, 5},
      {Inclusive(kMaxSequenceNumber), v1::Bound(), kMaxSequenceNumber, kMaxSequenceNumber},
      {v1::Bound(), Inclusive(UINT64_MAX), 0, kMaxSequenceNumber},
  };
  for (const Case& c : cases) {
    const absl::StatusOr<SequenceBounds> bounds = CheckBounds(c.start, c.end);
    ASSERT_TRUE(bounds.ok());
    EXPECT_EQ(bounds->first, c.first);
    EXPECT_EQ(bounds->last, c.last);
  }
}

TEST(CheckBoundsTest, EmptyIsNotReversed) {
  EXPECT_TRUE(CheckBounds(Exclusive(5), Exclusive(5))->empty());
  EXPECT_TRUE(CheckBounds(Inclusive(5), Exclusive(5))->empty());
  EXPECT_TRUE(CheckBounds(Exclusive(5), Exclusive(6))->empty());
  EXPECT_TRUE(CheckBounds(v1::Bound(), Exclusive(0))->empty());
  EXPECT_TRUE(CheckBounds(v1::Bound(), Inclusive(0))->empty());
  EXPECT_TRUE(CheckBounds(Exclusive(UINT64_MAX), v1::Bound())->empty());
  EXPECT_TRUE(CheckBounds(Inclusive(UINT64_MAX), v1::Bound())->empty());
  EXPECT_TRUE(
      HasReason(CheckBounds(Inclusive(6), Inclusive(5)).status(), ErrorReason::kBoundsReversed));
  EXPECT_TRUE(
      HasReason(CheckBounds(Exclusive(6), Exclusive(5)).status(), ErrorReason::kBoundsReversed));
}

}  // namespace
}  // namespace walden
