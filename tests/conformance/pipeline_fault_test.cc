// Disks that fail and machines that crash while several commits are under way.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/crash_fixture.h"
#include "tests/conformance/pipeline.h"

namespace walden::testing {
namespace {

class PipelineCrashTest : public CrashTest {
 protected:
  // Commits the batches, each for itself, and notes their answers.
  static void CommitAll(Story& story, const std::vector<Batch>& batches) {
    Pipeline pipeline(story.log.get(), GetParam());
    for (const Batch& batch : batches) pipeline.Commit(batch);
    Finish(story, pipeline);
  }
  static void Finish(Story& story, Pipeline& pipeline) {
    pipeline.Finish();
    for (size_t i = 0; i < pipeline.results().size(); ++i) {
      if (IsRetry(pipeline, i)) continue;
      story.Note(pipeline.batches()[i], pipeline.results()[i]);
    }
  }

  static Batch Buffered(Batch batch) {
    batch.durability = Durability::kBuffered;
    return batch;
  }

  // Whether an earlier batch has its producer's number.
  static bool IsRetry(const Pipeline& pipeline, size_t index) {
    const auto& batches = pipeline.batches();
    const auto& tag = batches[index].producer;
    return tag && std::any_of(batches.begin(), batches.begin() + index, [&](const Batch& earlier) {
             return earlier.producer && earlier.producer->sequence == tag->sequence;
           });
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, PipelineCrashTest,
                         ::testing::ValuesIn(PipelineSettings(CrashSettings())), SettingName);

TEST_P(PipelineCrashTest, ACrashLeavesAPrefixOfTheCommitsUnderWay) {
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          std::vector<Batch> batches;
          for (size_t i = 0; i < 10; ++i) {
            batches.push_back(s.OverTables(
                i % 3 == 2 ? std::vector<TableId>{2, 1, 3} : std::vector<TableId>{1 + i % 2},
                1 + i % 2, i * 60));
          }
          CommitAll(s, batches);
        });
}

TEST_P(PipelineCrashTest, ACrashAmongSyncedAndBufferedCommitsLosesOnlyASuffix) {
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          std::vector<Batch> batches;
          for (size_t i = 0; i < 12; ++i) {
            batches.push_back(s.OverTables({1 + i % 2}, 1, i * 50));
            if (i % 5 != 4) batches.back() = Buffered(batches.back());
          }
          CommitAll(s, batches);
        });
}

TEST_P(PipelineCrashTest, ACrashWhereASegmentEndsInTheMiddleOfThePipelineLosesNothing) {
  set_segment_size(16 << 10);
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          std::vector<Batch> batches;
          for (size_t i = 0; i < 9; ++i) batches.push_back(s.OverTables({1 + i % 2}, 2, 1700));
          CommitAll(s, batches);
        });
}

TEST_P(PipelineCrashTest, ACrashAmongCommitsMarksAndProducersKeepsTheirOrder) {
  Sweep(
      [](Story& s) {
        s.OpenProducer();
        SomeHistory(s);
      },
      [](Story& s) {
        Pipeline pipeline(s.log.get(), GetParam());
        const uint64_t producer = s.producers.rbegin()->first;
        absl::StatusOr<std::vector<SequenceNumber>> mark, fence;
        absl::StatusOr<uint64_t> opened;
        absl::Status noted;
        std::vector<size_t> of_producer;
        for (uint64_t number = 1; number <= 5; ++number) {
          Batch batch = s.OverTables({1 + number % 2, 3}, 1);
          batch.producer = ProducerTag{producer, number};
          of_producer.push_back(pipeline.batches().size());
          pipeline.Commit(batch);
          pipeline.Commit(batch);
          if (number == 2) {
            pipeline.Begin<absl::StatusOr<std::vector<SequenceNumber>>>(
                [&](auto done) {
                  s.log->MarkDeleted({{1, 3}}, std::nullopt, done);
                },
                &mark);
          } else if (number == 3) {
            pipeline.Begin<absl::StatusOr<uint64_t>>(
                [&](auto done) { s.log->OpenProducer(std::nullopt, done); }, &opened);
          } else if (number == 4) {
            pipeline.Begin<absl::Status>([&](auto done) { s.log->NoteDurable(done); }, &noted);
            pipeline.Begin<absl::StatusOr<std::vector<SequenceNumber>>>(
                [&](auto done) { s.log->MarkDeleted({}, 4, done); }, &fence);
          }
        }
        Finish(s, pipeline);
        for (const size_t i : of_producer) {
          const BatchResult& result = pipeline.results()[i];
          if (!result.status.ok()) continue;
          ++s.producers[producer];
          s.retried.push_back({pipeline.batches()[i], result});
        }
        if (mark.ok()) {
          s.ledger.MarkedDeleted(1, mark->front());
        } else {
          s.unanswered_marks[1] = 3;
        }
        (fence.ok() ? s.fenced : s.perhaps_fenced) = 4;
        if (opened.ok()) s.producers[*opened] = 1;
      });
}

TEST_P(PipelineCrashTest, ACrashWhileTheLogIsClosedBehindCommitsLosesNothing) {
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          Pipeline pipeline(s.log.get(), GetParam());
          for (size_t i = 0; i < 8; ++i) pipeline.Commit(Buffered(s.OverTables({1 + i % 2}, 1)));
          absl::Status closed;
          pipeline.Begin<absl::Status>([&](auto done) { s.log->Close(done); }, &closed);
          Finish(s, pipeline);
          // A failed region closes too.
          if (closed.ok() && s.log->Health().ok()) s.Settle();
        });
}

// ---------------------------------------------------------------------------------------------------
// Writes and syncs that fail

class PipelineFaultTest : public PipelineCrashTest {
 protected:
  struct Attempt {
    Batch batch;
    std::optional<ErrorReason> refused;  // without a fault
  };

  // Batches of which some are refused for what others under way change.
  std::vector<Attempt> Attempts(Story& s) const {
    std::vector<Attempt> attempts;
    const uint64_t producer = s.producers.rbegin()->first;
    const auto add = [&](Batch batch, std::optional<ErrorReason> refused = std::nullopt) {
      attempts.push_back({std::move(batch), refused});
    };
    const auto tagged = [&](uint64_t number, size_t count) {
      Batch batch = s.OverTables({2}, count);
      batch.producer = ProducerTag{producer, number};
      return batch;
    };
    const auto fenced = [&](uint64_t version) {
      Batch batch = s.OverTables({1}, 1);
      batch.region_version = version;
      return batch;
    };
    add(s.OverTables({1, 2}, 2));
    add(s.OverTables({9}, 1));
    Batch taken = s.OverTables({9}, 1);
    taken.expected_next_sequence = 1;
    add(taken, ErrorReason::kSequenceMismatch);
    Batch entries = s.OverTables({9}, 1);
    entries.kind = TableKind::kEntries;
    add(entries, ErrorReason::kWrongTableKind);
    add(Buffered(s.OverTables({3}, 1, 300)));
    const Batch first = tagged(1, 1);
    add(first);
    add(first);
    Batch differs = first;
    differs.payloads.push_back("one more");
    add(differs, ErrorReason::kProducerBatchDiffers);
    add(tagged(4, 1), ErrorReason::kProducerOutOfOrder);
    add(tagged(2, 2));
    Batch passing_over;
    passing_over.producer = ProducerTag{producer, 3};
    add(passing_over);
    add(fenced(5));
    add(fenced(4), ErrorReason::kFenced);
    add(s.OverTables({3, 1}, 2, 1000));
    // More than an engine writes at once, if a segment holds it.
    add(s.OverTables({1}, 2, std::min<size_t>(300 << 10, options().segment_size_bytes / 4)));
    add(s.OverTables({1}, 1));
    return attempts;
  }

  // Whether the reopened region has the batch.
  static bool IsStored(Story& story, const Batch& batch) {
    const std::vector<BatchPart> parts = PartsOf(batch);
    if (parts.empty()) return CommitOne(*story.log, batch).duplicate;
    size_t stored = 0;
    for (const BatchPart& part : parts) {
      const auto records = ReadTable(*story.log, part.table);
      EXPECT_TRUE(records.ok()) << records.status();
      if (!records.ok()) return false;
      const auto first = std::find_if(records->begin(), records->end(), [&](const auto& record) {
        return record.payload == part.payloads[0];
      });
      if (first == records->end()) continue;
      ++stored;
      EXPECT_GE(records->end() - first, static_cast<std::ptrdiff_t>(part.payloads.size()));
    }
    EXPECT_TRUE(stored == 0 || stored == parts.size()) << "a part of a batch is stored";
    return stored > 0;
  }

  // Returns whether the fault was met.
  bool Check(const Fault& fault, uint64_t seed);
  static void CheckAnswers(const Pipeline& pipeline, const std::vector<Attempt>& attempts);
  static void CheckReopened(Story& story, const Pipeline& pipeline);
};
INSTANTIATE_TEST_SUITE_P(Engines, PipelineFaultTest,
                         ::testing::ValuesIn(PipelineSettings(FaultFileSettings())), SettingName);

// Until the first failure all are answered as without a fault, and from there on none is.
void PipelineFaultTest::CheckAnswers(const Pipeline& pipeline,
                                     const std::vector<Attempt>& attempts) {
  bool has_failed = false;
  for (size_t i = 0; i < attempts.size(); ++i) {
    const BatchResult& result = pipeline.results()[i];
    SCOPED_TRACE(::testing::Message() << "batch " << i);
    if (HasReason(result.status, ErrorReason::kRegionFailed)) {
      has_failed = true;
      EXPECT_EQ(result.first, 0u);
      continue;
    }
    ASSERT_FALSE(has_failed) << "behind a batch that failed: " << result.status;
    if (attempts[i].refused) {
      EXPECT_TRUE(HasReason(result.status, *attempts[i].refused)) << result.status;
      EXPECT_FALSE(result.may_be_stored);
    } else {
      EXPECT_TRUE(result.status.ok()) << result.status;
    }
  }
}

// The region holds a prefix, with all that was answered as durable.
void PipelineFaultTest::CheckReopened(Story& story, const Pipeline& pipeline) {
  bool is_behind_end = false;
  for (size_t i = 0; i < pipeline.results().size(); ++i) {
    SCOPED_TRACE(::testing::Message() << "batch " << i);
    const Batch& batch = pipeline.batches()[i];
    const BatchResult& result = pipeline.results()[i];
    if (IsRetry(pipeline, i)) continue;
    const bool is_stored = IsStored(story, batch);
    if (!result.status.ok() && !result.may_be_stored) {
      EXPECT_FALSE(is_stored) << result.status;
    } else if (!is_stored) {
      EXPECT_FALSE(result.status.ok() && result.durable) << "it was answered as durable";
      is_behind_end = true;
    } else {
      EXPECT_FALSE(is_behind_end) << "an earlier one is not stored";
      if (!batch.producer) continue;
      const BatchResult again = CommitOne(*story.log, batch);
      EXPECT_TRUE(again.duplicate) << again.status;
    }
  }
}

bool PipelineFaultTest::Check(const Fault& fault, uint64_t seed) {
  Story story(this, seed);
  EXPECT_TRUE(story.machine.files().CreateDirectory("/data").ok());
  EXPECT_TRUE(story.machine.files().SyncDirectory("/").ok());
  EXPECT_TRUE(story.Open().ok());
  story.OpenProducer();
  SomeHistory(story);
  if (HasFailure()) return false;
  const std::vector<Attempt> attempts = Attempts(story);
  Pipeline pipeline(story.log.get(), GetParam());
  story.machine.files().Inject(fault);
  for (const Attempt& attempt : attempts) pipeline.Commit(attempt.batch);
  pipeline.Finish();
  const bool was_hit = story.machine.files().faults_hit() > 0;
  story.machine.files().ClearFaults();
  CheckAnswers(pipeline, attempts);
  if (HasFailure()) return false;

  // Readers go on, and see what was answered.
  Ledger answered = story.ledger;
  for (size_t i = 0; i < attempts.size(); ++i) {
    const BatchResult& result = pipeline.results()[i];
    if (result.status.ok() && !result.duplicate) answered.Appended(attempts[i].batch, result);
  }
  ExpectLogHoldsLedger(*story.log, answered);
  (void)CloseAndWait(*story.log);
  story.Stop();
  absl::Status opened = story.Open();
  if (HasReason(opened, ErrorReason::kIoError)) opened = story.Open();
  EXPECT_TRUE(opened.ok()) << opened;
  if (HasFailure()) return false;
  CheckReopened(story, pipeline);
  const BatchResult next = CommitOne(*story.log, story.OverTables({1, 2}, 1));
  EXPECT_TRUE(next.status.ok()) << next.status;
  return was_hit;
}

TEST_P(PipelineFaultTest, NoneSucceedsBehindAFailedWriteOrSyncAndWhatIsStoredIsAPrefix) {
  for (const uint64_t times : {uint64_t{1}, Fault::kForever}) {
    for (const FileOps operations : {file_op::kWrite, file_op::kSync, file_op::kChanges}) {
      for (uint64_t nth = 1; nth < 200; ++nth) {
        SCOPED_TRACE(::testing::Message() << "operations " << operations << ", from " << nth
                                          << " on, " << (times == 1 ? "once" : "for good"));
        const bool was_hit =
            Check({.operations = operations, .nth = nth, .times = times}, nth * 31);
        if (HasFailure()) return;
        if (!was_hit) break;
      }
    }
  }
}

}  // namespace
}  // namespace walden::testing
