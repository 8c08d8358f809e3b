// A fixture that crashes in the middle of each change that an operation makes to the disk.
//
// Each test is one story: some history, then one operation that a crash cuts, then checks of the
// reopened region. The sweep repeats the story with the crash inside the first change of the
// operation, the second, and so on until the operation ends before the crash comes.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"

namespace walden::testing {

struct CrashKind {
  Crash crash;
  PowerLoss loss;
  const char* name;
};
inline constexpr CrashKind kCrashKinds[] = {
    {Crash::kKill, PowerLoss::kAll, "kill"},
    {Crash::kPowerCut, PowerLoss::kRandom, "power cut, random sectors"},
    {Crash::kPowerCut, PowerLoss::kPrefix, "power cut, first sectors"},
    {Crash::kPowerCut, PowerLoss::kNothing, "power cut, nothing"},
    {Crash::kPowerCut, PowerLoss::kAll, "power cut, all sectors"},
};

class CrashTest : public LogTest {
 protected:
  // The state of one run, on a new machine for each crash.
  struct Story {
    CrashTest* test;
    Machine machine;
    std::unique_ptr<LogEngine> engine;
    std::unique_ptr<RegionLog> log;
    Ledger ledger;  // what was answered as durable
    // Batches that were not answered as durable: a prefix of them is stored, each as a whole.
    // Batches that may be there or not, and their answers.
    std::vector<std::pair<Batch, BatchResult>> open;
    std::vector<std::pair<Batch, BatchResult>> retried;  // durable ones of producers
    std::map<TableId, SequenceNumber> unanswered_marks;
    std::map<TableId, SequenceNumber> highest_answered;
    bool answered_survives = false;  // only kills so far: the kernel has all that was answered
    std::map<uint64_t, uint64_t> producers;  // answered ids, and the number that each comes to
    uint64_t made = 0;
    uint64_t fenced = 0;          // region versions
    uint64_t perhaps_fenced = 0;  // not answered

    Story(CrashTest* test, uint64_t seed) : test(test), machine(seed) {}

    absl::Status Open() {
      if (engine == nullptr) {
        auto opened = GetParam().engine->open({&machine.files(), machine.store()}, "/data/default");
        if (!opened.ok()) return opened.status();
        engine = std::move(*opened);
      }
      auto opened = OpenOwned(*engine, kRegion, test->options(), /*create=*/true);
      if (opened.ok()) log = std::move(*opened);
      return opened.status();
    }

    void Stop() {
      log.reset();
      engine.reset();
    }

    void Append(TableId table, size_t count, Durability durability = Durability::kSync,
                size_t bytes = 0) {
      Batch batch;
      batch.table = table;
      for (size_t i = 0; i < count; ++i) {
        batch.payloads.push_back(test->Payload(made++) + std::string(bytes, 'b'));
      }
      batch.durability = durability;
      Append(batch);
    }

    // A batch of `count` records for each of the tables.
    Batch OverTables(const std::vector<TableId>& tables, size_t count, size_t bytes = 0) {
      Batch batch;
      for (const TableId table : tables) {
        BatchPart part{.table = table};
        for (size_t i = 0; i < count; ++i) {
          part.payloads.push_back(test->Payload(made++) + std::string(bytes, 'b'));
        }
        batch.more.push_back(std::move(part));
      }
      batch.table = batch.more[0].table;
      batch.payloads = std::move(batch.more[0].payloads);
      batch.more.erase(batch.more.begin());
      return batch;
    }

    BatchResult Append(const Batch& batch) {
      BatchResult result = CommitOne(*log, batch);
      Note(batch, result);
      return result;
    }

    // Notes the answer to a batch. In the order of the log.
    void Note(const Batch& batch, const BatchResult& result) {
      const std::vector<BatchPart> parts = PartsOf(batch);
      const std::vector<PartResult> numbers = NumbersOf(batch, result);
      for (size_t i = 0; i < parts.size() && result.status.ok(); ++i) {
        SequenceNumber& highest = highest_answered[parts[i].table];
        EXPECT_GT(numbers[i].first, highest) << "a number was given out twice";
        highest = numbers[i].last;
      }
      if (result.status.ok() && result.durable) {
        Settle();
        ledger.Appended(batch, result);
      } else {
        open.push_back({batch, result});
      }
    }

    // Appends a batch of the newest producer, which must be accepted, and remembers its answer.
    void AppendOfProducer(const std::vector<TableId>& tables, size_t count, size_t bytes = 0) {
      Batch batch = OverTables(tables, count, bytes);
      auto& [id, number] = *producers.rbegin();
      batch.producer = ProducerTag{id, number++};
      const BatchResult result = Append(batch);
      EXPECT_TRUE(result.status.ok()) << result.status;
      retried.push_back({batch, result});
    }

    // Notes a durable answer: everything buffered before it is durable too.
    void Settle() {
      for (const auto& [batch, result] : open) {
        EXPECT_TRUE(result.status.ok()) << "an append was answered after one that failed";
        ledger.Appended(batch, result);
      }
      open.clear();
    }

    void OpenProducer() {
      const auto id = OpenProducerAndWait(*log, std::nullopt);
      if (!id.ok()) return;
      EXPECT_GT(*id, producers.empty() ? 0 : producers.rbegin()->first);
      producers[*id] = 1;
    }

    // Notes the numbers of a producer's batch that was not answered and is there.
    void RememberStored(const Batch& batch, const std::vector<PartResult>& numbers) {
      BatchResult result;
      result.first = numbers[0].first;
      result.last = numbers[0].last;
      result.more.assign(numbers.begin() + 1, numbers.end());
      retried.push_back({batch, result});
      producers[batch.producer->id] = batch.producer->sequence + 1;
    }

    BatchResult PassOver(uint64_t producer, uint64_t number) {
      Batch batch;
      batch.producer = ProducerTag{producer, number};
      return CommitOne(*log, batch);
    }
    void PassOver() {
      const auto [id, number] = *producers.rbegin();
      if (PassOver(id, number).status.ok()) ++producers[id];
    }

    void ExpectProducersAreRemembered() {
      for (const auto& [batch, answer] : retried) {
        const BatchResult again = CommitOne(*log, batch);
        EXPECT_TRUE(again.status.ok() && again.duplicate) << again.status;
        EXPECT_TRUE(again.first == answer.first && again.last == answer.last &&
                    again.more == answer.more)
            << "other numbers";
      }
      for (auto& [id, number] : producers) {
        SCOPED_TRACE(::testing::Message() << "producer " << id << ", number " << number);
        if (number > 1 && retried.empty()) {
          const BatchResult again = PassOver(id, number - 1);
          EXPECT_TRUE(again.status.ok() && again.duplicate) << again.status;
        }
        const BatchResult next = PassOver(id, number++);
        EXPECT_TRUE(next.status.ok()) << next.status;
        EXPECT_ERROR(PassOver(id, number + 1).status, kFailedPrecondition, kProducerOutOfOrder);
      }
      OpenProducer();
    }

    void Fence(uint64_t version) {
      const bool answered = testing::Fence(*log, version).ok();
      (answered ? fenced : perhaps_fenced) = version;
    }

    // A fence that was answered holds; one that was not answered holds or was never made.
    void ExpectFenced() {
      const uint64_t version = log->Describe().region_version;
      EXPECT_GE(version, fenced);
      EXPECT_LE(version, std::max(fenced, perhaps_fenced));
      if (version == 0) return;
      Batch late = OverTables({1}, 1);
      late.region_version = version - 1;
      EXPECT_ERROR(CommitOne(*log, late).status, kFailedPrecondition, kFenced);
    }

    void MarkDeleted(TableId table, SequenceNumber through) {
      const auto mark = MarkTable(*log, table, through);
      if (mark.ok()) {
        ledger.MarkedDeleted(table, *mark);
      } else {
        unanswered_marks[table] = std::min(through, ledger.Next(table) - 1);
      }
    }
  };

  using Step = std::function<void(Story&)>;

  // `operation` must tolerate that any call in it fails.
  void Sweep(const Step& history, const Step& operation) {
    for (const CrashKind& kind : kCrashKinds) {
      for (uint64_t nth = 1; nth < 400; ++nth) {
        SCOPED_TRACE(std::string(kind.name) + " in change " + std::to_string(nth));
        Story story(this, nth * 977);
        story.answered_survives = kind.crash == Crash::kKill;
        ASSERT_STATUS_OK(story.machine.files().CreateDirectory("/data"));
        ASSERT_STATUS_OK(story.machine.files().SyncDirectory("/"));
        ASSERT_STATUS_OK(story.Open());
        history(story);
        ASSERT_FALSE(HasFailure());
        story.machine.CrashAt(nth, kind.crash, kind.loss);
        operation(story);
        const bool crashed = story.machine.crashed();
        story.machine.CancelCrash();
        if (!crashed && kind.crash == Crash::kPowerCut) story.machine.PowerCut(kind.loss);
        if (!crashed && kind.crash == Crash::kKill) story.machine.Kill();
        story.Stop();
        story.machine.Restart();
        ExpectRecovered(story);
        if (HasFailure()) return;
        if (!crashed) break;
      }
    }
  }

  void ExpectRecovered(Story& story) {
    ASSERT_STATUS_OK(story.Open());
    const OpeningReport report = story.log->Describe().opening;
    EXPECT_NE(report.outcome, OpeningReport::Outcome::kQuarantined);
    if (report.outcome == OpeningReport::Outcome::kTornTail) {
      EXPECT_GT(report.torn_tail_bytes, 0u);
      EXPECT_NE(report.evidence_file, "");
      EXPECT_TRUE(story.machine.files().Exists("/data/default/" + report.evidence_file) ||
                  story.machine.files().Exists("/data/" + report.evidence_file))
          << report.evidence_file;
    }
    for (const auto& [table, mark] : story.unanswered_marks) {
      if (story.log->Position(table).deleted_through == mark) {
        story.ledger.MarkedDeleted(table, mark);
      }
    }
    TakeInWhatWasOpen(story);
    if (HasFailure()) return;
    ExpectLogHoldsLedger(*story.log, story.ledger);
    story.ExpectProducersAreRemembered();
    story.ExpectFenced();
    // The region goes on, and keeps what is written now.
    for (int i = 0; i < 3; ++i) story.Append(1 + i % 2, 2);
    EXPECT_TRUE(story.open.empty());
    story.Stop();
    ASSERT_STATUS_OK(story.Open());
    ExpectLogHoldsLedger(*story.log, story.ledger);
    story.machine.PowerCut(PowerLoss::kNothing);
    story.Stop();
    story.machine.Restart();
    ASSERT_STATUS_OK(story.Open());
    ExpectLogHoldsLedger(*story.log, story.ledger);
  }

  // Takes unanswered batches that are there into the ledger: a prefix of them, each whole.
  void TakeInWhatWasOpen(Story& story) {
    const auto open = std::move(story.open);
    story.open.clear();
    bool may_be_there = true;
    for (const auto& [batch, answer] : open) {
      std::vector<PartResult> there;
      const std::vector<BatchPart> parts = PartsOf(batch);
      for (const BatchPart& part : parts) {
        const SequenceNumber first = story.ledger.Next(part.table);
        const auto found = ReadAll(*story.log, ReadRange{part.table, first, kMaxSequenceNumber});
        ASSERT_TRUE(found.ok()) << found.status();
        if (found->empty() || (*found)[0].payload != part.payloads[0]) continue;
        BatchResult result;
        result.first = (*found)[0].sequence;
        result.last = result.first + part.payloads.size() - 1;
        story.ledger.Appended(part.table, result, part.payloads);
        there.push_back({result.first, result.last});
      }
      if (there.empty()) {
        EXPECT_FALSE(story.answered_survives && answer.status.ok())
            << "a killed process loses nothing that it answered";
        may_be_there = false;
        continue;
      }
      ASSERT_EQ(there.size(), parts.size()) << "the batch is there in some of its tables";
      ASSERT_TRUE(may_be_there) << "an earlier batch is missing, a later one is there";
      if (batch.producer) story.RememberStored(batch, there);
    }
  }
};

inline void SomeHistory(auto& story) {
  for (int i = 0; i < 4; ++i) {
    story.Append(1, 2);
    story.Append(2, 1);
  }
}

}  // namespace walden::testing
