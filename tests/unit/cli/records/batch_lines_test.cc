#include "cli/records/batch_lines.h"

#include <string>

#include "cli/console/failure.h"
#include "gtest/gtest.h"

namespace walden::cli {
namespace {

TEST(BatchFromJson, EachTableIsThereOnceWithItsPayloadsInOrder) {
  const auto batch =
      BatchFromJson(R"([{"table":7,"payload":"a"},{"table":"18446744073709551615","payload":""},)"
                    R"({"table":7,"sequence":41,"payload_base64":"//8="}])");
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->size(), 2u);
  const v1::TableAppend& first = (*batch)[0];
  EXPECT_EQ(first.table_id(), 7u);
  ASSERT_EQ(first.payloads_size(), 2);
  EXPECT_EQ(first.payloads(0), "a");
  EXPECT_EQ(first.payloads(1), "\xFF\xFF");
  EXPECT_EQ((*batch)[1].table_id(), UINT64_MAX);
  ASSERT_EQ((*batch)[1].payloads_size(), 1);
  EXPECT_EQ((*batch)[1].payloads(0), "");
}

TEST(BatchFromJson, ARecordAloneIsABatch) {
  const auto batch = BatchFromJson(R"({"table":0,"sequence":3,"payload":"x"})");
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->size(), 1u);
  EXPECT_EQ((*batch)[0].payloads(0), "x");
}

TEST(BatchFromJson, AnythingElseIsRefusedWithTheReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "not a batch such as"},
      {"hello", "not a batch such as"},
      {"[]", "not a batch such as"},
      {R"([{"table":1,"payload":"a"})", "not a batch such as"},
      {"[1]", "a record is not a JSON object"},
      {"{}", "a record has no \"table\""},
      {R"([{"payload":"a"}])", "a record has no \"table\""},
      {R"([{"table":1,"payload":"a"},{"table":1}])", "a record has no \"payload\""},
      {R"({"table":-1,"payload":"a"})", "\"table\" is not a table id"},
      {R"({"table":1.5,"payload":"a"})", "\"table\" is not a table id"},
      {R"({"table":"18446744073709551616","payload":"a"})", "\"table\" is not a table id"},
      {R"({"table":1,"payload":5})", "\"payload\" is not a string"},
      {R"({"table":1,"payload_base64":"*"})", "\"payload_base64\" is not base64"},
      {R"({"table":1,"payload":"a","payload_base64":"YQ=="})", "\"payload_base64\""},
      {R"({"table":1,"payload":"a","key":"k"})", "\"key\" is no field of a record"},
  };
  for (const auto& [text, problem] : cases) {
    const auto batch = BatchFromJson(text);
    EXPECT_TRUE(HasReason(batch.status(), kReasonBadInput)) << text << ": " << batch.status();
    EXPECT_NE(batch.status().message().find(problem), absl::string_view::npos)
        << text << ": " << batch.status();
  }
}

}  // namespace
}  // namespace walden::cli
