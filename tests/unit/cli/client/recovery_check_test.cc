#include "cli/client/recovery_check.h"

#include "cli/console/failure.h"
#include "gtest/gtest.h"

namespace walden::cli {
namespace {

v1::RecoverResponse State() {
  v1::RecoverResponse message;
  message.mutable_state();
  return message;
}

v1::RecoverResponse Records(uint64_t table, std::initializer_list<uint64_t> sequences) {
  v1::RecoverResponse message;
  for (const uint64_t sequence : sequences) {
    v1::TableLogRecord& record = *message.add_records();
    record.set_table_id(table);
    record.set_sequence(sequence);
    record.set_payload("abc");
  }
  return message;
}

v1::RecoverResponse Summary(uint64_t records, uint64_t payload_bytes, uint64_t tables) {
  v1::RecoverResponse message;
  message.mutable_summary()->set_record_count(records);
  message.mutable_summary()->set_payload_bytes(payload_bytes);
  message.mutable_summary()->set_table_count(tables);
  return message;
}

// The first thing wrong with a stream.
absl::Status Check(std::initializer_list<v1::RecoverResponse> stream) {
  RecoveryCheck check;
  for (const auto& message : stream) {
    if (absl::Status taken = check.Take(message); !taken.ok()) return taken;
  }
  return check.Finish();
}

void ExpectRefused(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_TRUE(HasReason(status, kReasonIncomplete));
}

TEST(RecoveryCheck, AWholeStreamIsAccepted) {
  EXPECT_EQ(Check({State(), Records(1, {1, 3}), Records(2, {2}), Summary(3, 9, 2)}),
            absl::OkStatus());
  EXPECT_EQ(Check({State(), Summary(0, 0, 0)}), absl::OkStatus());
}

TEST(RecoveryCheck, AStreamWithoutSummaryIsRefused) {
  ExpectRefused(Check({State(), Records(1, {1})}));
  ExpectRefused(Check({}));
}

TEST(RecoveryCheck, AnyWrongCountIsRefused) {
  ExpectRefused(Check({State(), Records(1, {1}), Summary(2, 3, 1)}));
  ExpectRefused(Check({State(), Records(1, {1}), Summary(1, 4, 1)}));
  ExpectRefused(Check({State(), Records(1, {1}), Summary(1, 3, 2)}));
}

TEST(RecoveryCheck, RepeatedOrFallingSequenceNumbersAreRefused) {
  ExpectRefused(Check({State(), Records(1, {1, 1}), Summary(2, 6, 1)}));
  ExpectRefused(Check({State(), Records(1, {2}), Records(1, {1}), Summary(2, 6, 1)}));
}

TEST(RecoveryCheck, StateComesFirstInAnyNumberOfParts) {
  EXPECT_EQ(Check({State(), State(), Records(1, {1}), Summary(1, 3, 1)}), absl::OkStatus());
  ExpectRefused(Check({Records(1, {1}), Summary(1, 3, 1)}));
  ExpectRefused(Check({State(), Records(1, {1}), State(), Summary(1, 3, 1)}));
}

TEST(RecoveryCheck, OneMessageMayHaveEveryPart) {
  v1::RecoverResponse whole = Records(1, {1});
  whole.mutable_state();
  *whole.mutable_summary() = Summary(1, 3, 1).summary();
  EXPECT_EQ(Check({whole}), absl::OkStatus());
  whole.mutable_summary()->set_record_count(2);
  ExpectRefused(Check({whole}));
}

TEST(RecoveryCheck, NothingMayFollowTheSummary) {
  ExpectRefused(Check({State(), Summary(0, 0, 0), Records(1, {1})}));
}

}  // namespace
}  // namespace walden::cli
