// Jobs that remember how they were answered.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "server/region/mailbox_job.h"

namespace walden {

struct TestAppend final : AppendJob {
  explicit TestAppend(std::initializer_list<std::string> texts, TableId table = 1) : kept(texts) {
    TableAppend& append = batch.tables.emplace_back();
    append.table = table;
    for (const std::string& text : kept) {
      append.payloads.push_back(text);
      payload_bytes += text.size();
    }
  }
  void OnAnswered() override {
    ++answers;
    if (on_answered) on_answered();
  }
  absl::Status Abandoned() const override { return abandoned; }
  const AppendResult& result() const { return batch.result; }
  SequenceNumber first() const { return batch.tables[0].first; }
  SequenceNumber last() const { return batch.tables[0].last; }

  std::vector<std::string> kept;
  int answers = 0;
  absl::Status abandoned;
  std::function<void()> on_answered;
};

struct TestOpenProducer final : OpenProducerJob {
  void OnAnswered() override { ++answers; }
  int answers = 0;
};

struct TestMarkDeleted final : MarkDeletedJob {
  TestMarkDeleted(TableId of, SequenceNumber last) { marks = {{of, last}}; }
  void OnAnswered() override { ++answers; }
  int answers = 0;
};

struct TestSync final : SyncJob {
  void OnAnswered() override { ++answers; }
  int answers = 0;
};

}  // namespace walden
