// The fixture of the tests of producers and fencing.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {

class ProducerTest : public LogTest {
 protected:
  Batch Tagged(uint64_t producer, uint64_t sequence, size_t count = 2, TableId table = 1) {
    Batch batch;
    batch.table = table;
    batch.payloads = Payloads(count);
    batch.producer = ProducerTag{producer, sequence};
    return batch;
  }

  Batch Buffered(Batch batch) {
    batch.durability = Durability::kBuffered;
    return batch;
  }

  Batch PassingOver(uint64_t producer, uint64_t sequence) {
    Batch batch;
    batch.producer = ProducerTag{producer, sequence};
    return batch;
  }

  void ExpectRetryAnswers(const Batch& batch, const BatchResult& original) {
    const BatchResult retry = Try(batch);
    ASSERT_STATUS_OK(retry.status);
    EXPECT_TRUE(retry.duplicate);
    EXPECT_TRUE(retry.durable);
    EXPECT_EQ(retry.first, original.first);
    EXPECT_EQ(retry.last, original.last);
  }

  void ExpectOutOfOrder(const absl::Status& status, uint64_t expected) {
    EXPECT_ERROR(status, kFailedPrecondition, kProducerOutOfOrder);
    EXPECT_EQ(ErrorValue(status, "expected_producer_sequence"), std::to_string(expected));
  }
};

}  // namespace walden::testing
