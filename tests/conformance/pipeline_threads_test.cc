// Commits under way beside other threads: one that begins them, others that lend themselves to the
// log, and readers that stand still in the middle of what they do.
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/error.h"
#include "engine/wait.h"
#include "tests/conformance/log_fixture.h"
#include "tests/support/hooked_file_system.h"
#include "tests/support/settable_wall_clock.h"

namespace walden::testing {
namespace {

// ---------------------------------------------------------------------------------------------------
// Threads that are lent to a log

class LentThreadsTest : public LogTest {
 protected:
  // Threads that work in the log whenever something was begun.
  class Workers {
   public:
    Workers(RegionLog* log, int count) : log_(log) {
      for (int i = 0; i < count; ++i) threads_.emplace_back([this] { Run(); });
    }
    ~Workers() {
      {
        absl::MutexLock lock(&mutex_);
        is_stopping_ = true;
      }
      for (std::thread& thread : threads_) thread.join();
    }
    void Wake() {
      absl::MutexLock lock(&mutex_);
      ++begun_;
    }

   private:
    void Run() {
      uint64_t seen = 0;
      for (;;) {
        {
          const auto is_due = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
            return is_stopping_ || begun_ != seen;
          };
          absl::MutexLock lock(&mutex_);
          mutex_.Await(absl::Condition(&is_due));
          if (begun_ == seen) return;
          seen = begun_;
        }
        while (log_->Work()) {
        }
      }
    }

    RegionLog* const log_;
    absl::Mutex mutex_;
    uint64_t begun_ ABSL_GUARDED_BY(mutex_) = 0;
    bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
    std::vector<std::thread> threads_;
  };

  // A commit of one batch.
  struct Begun {
    Batch batch;
    AppendBatch for_engine;
  };

  void Run(int workers);
};
INSTANTIATE_TEST_SUITE_P(Engines, LentThreadsTest,
                         ::testing::ValuesIn(PipelineSettings(ThreadSettings())), SettingName);

void LentThreadsTest::Run(int workers) {
  constexpr size_t kCommits = 400;
  const size_t depth = GetParam().pipeline;
  std::vector<Begun> commits(kCommits);
  for (size_t i = 0; i < kCommits; ++i) {
    Batch& batch = commits[i].batch;
    batch.table = 1 + i % 2;
    batch.payloads = Payloads(1 + i % 3);
    batch.more.push_back({.table = 3, .payloads = Payloads(1)});
    if (i % 4 == 1) batch.durability = Durability::kBuffered;
    if (i % 16 == 0) batch.payloads[0].resize(5000, 'l');
    commits[i].for_engine = EngineBatch(batch);
  }
  absl::Mutex mutex;
  size_t under_way = 0;
  size_t done = 0;
  size_t others_under_way = 0;
  const auto other_done = [&](const absl::Status& status) {
    EXPECT_TRUE(status.ok()) << status;
    absl::MutexLock lock(&mutex);
    --others_under_way;
  };
  const auto has_room = [&] { return under_way < depth; };
  const auto is_finished = [&] { return under_way + others_under_way == 0; };
  {
    Workers lent(&log(), workers);
    for (size_t i = 0; i < kCommits; ++i) {
      {
        absl::MutexLock lock(&mutex);
        mutex.Await(absl::Condition(&has_room));
        ++under_way;
        if (i % 10 == 9) ++others_under_way;
      }
      AppendBatch* const group[] = {&commits[i].for_engine};
      log().Commit(group, [&, i] {
        absl::MutexLock lock(&mutex);
        EXPECT_EQ(done++, i);
        --under_way;
      });
      lent.Wake();
      if (i % 10 != 9) continue;
      switch (i / 10 % 4) {
        case 0:
          log().Sync(other_done);
          break;
        case 1:
          log().NoteDurable(other_done);
          break;
        case 2:
          log().MarkDeleted({{99, 1}}, std::nullopt,
                            [&](const auto& made) { other_done(made.status()); });
          break;
        case 3:
          log().OpenProducer(std::nullopt, [&](const auto& id) { other_done(id.status()); });
          break;
      }
      lent.Wake();
    }
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&is_finished));
  }
  for (const Begun& commit : commits) {
    const BatchResult result = ResultOf(commit.for_engine);
    ASSERT_STATUS_OK(result.status);
    ledger().Appended(commit.batch, result);
  }
}

TEST_P(LentThreadsTest, OneThreadBeginsCommitsWhileAnotherOneWorks) {
  Run(/*workers=*/1);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(LentThreadsTest, ThreadsThatWorkTogetherLeaveNothingUndone) {
  set_segment_size(64 << 10);
  ReopenLog();
  Run(/*workers=*/3);
  ExpectLogHoldsLedger();
  RestartEngine();
  ExpectLogHoldsLedger();
}

TEST_P(LentThreadsTest, ReadersBesideSeeWholeCommitsInOrder) {
  std::atomic<bool> stop{false};
  std::thread reading([&] {
    auto reader = log().NewReader({.table = 3});
    ASSERT_STATUS_OK(reader.status());
    SequenceNumber last = 0;
    while (!stop) {
      const TablePosition position = log().Position(3);
      const auto read = (*reader)->Next({}, [&](const RecordView& record) {
        EXPECT_GT(record.sequence, last);
        last = record.sequence;
      });
      EXPECT_TRUE(read.ok()) << read.status();
      EXPECT_GE(last, position.last);
      (void)log().Usage();
      std::this_thread::yield();
    }
  });
  Run(/*workers=*/2);
  stop = true;
  reading.join();
  ExpectLogHoldsLedger();
}

// ---------------------------------------------------------------------------------------------------
// Readers that stand still

// Whatever reads a log may stop in the middle for any time: commits finish meanwhile.
class StandingReaderTest : public LogTest {
 protected:
  void SetUp() override {
    set_wall_clock(&clock_);
    LogTest::SetUp();
    for (int i = 0; i < 40; ++i) {
      clock_.Advance(absl::Seconds(3));
      Append(1 + i % 2, 3);
    }
  }

  // Appends in another thread, and waits for it.
  void AppendMeanwhile() {
    std::thread([this] {
      const BatchResult result = CommitOne(log(), {.table = 1, .payloads = {"meanwhile"}});
      EXPECT_TRUE(result.status.ok()) << result.status;
      ++appended_;
    }).join();
  }

  SettableWallClock clock_;
  int appended_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Engines, StandingReaderTest, ::testing::ValuesIn(ThreadSettings()),
                         SettingName);

TEST_P(StandingReaderTest, InsideItsVisit) {
  for (const ReadRange& range : {ReadRange{.table = 1}, ReadRange{}}) {
    auto reader = log().NewReader(range);
    ASSERT_STATUS_OK(reader.status());
    int visited = 0;
    const auto read = (*reader)->Next({}, [&](const RecordView&) {
      if (++visited % 16 == 5) AppendMeanwhile();
    });
    ASSERT_STATUS_OK(read.status());
    EXPECT_GE(visited, 60);
  }
  EXPECT_GE(appended_, 8);
}

TEST_P(StandingReaderTest, InsideTheReportOfVerify) {
  // More than Verify checks between two reports.
  set_segment_size(8 << 20);
  ReopenLog();
  for (int i = 0; i < 24; ++i) {
    ASSERT_STATUS_OK(Try({.table = 1, .payloads = {std::string(256 << 10, 'x')}}).status);
  }
  ASSERT_STATUS_OK(log().Verify([&](const VerifyProgress& progress) {
    EXPECT_TRUE(progress.findings.empty());
    if (appended_ < 5) AppendMeanwhile();
    return true;
  }));
  EXPECT_GE(appended_, 2);
}

TEST_P(StandingReaderTest, BetweenTwoSlicesOfACut) {
  const auto cut = log().CutTables();
  AppendMeanwhile();
  EXPECT_EQ(cut->Next(1).size(), 1u);
  AppendMeanwhile();
  EXPECT_EQ(cut->Next(1).size(), 1u);
  AppendMeanwhile();
  EXPECT_TRUE(cut->Next(1).empty());
}

TEST_P(StandingReaderTest, BetweenTwoPagesOfADescription) {
  std::optional<DescribeCursor> from = DescribeCursor{};
  int pages = 0;
  while (from.has_value() && pages < 50) {
    from = log().DescribePage(*from, 1).next;
    AppendMeanwhile();
    ++pages;
  }
  EXPECT_GE(pages, 2);
}

// Whether this thread stops at each operation on a file.
thread_local bool stands_at_files = false;

// As above, in the middle of each look at a file.
class StandingAtAFileTest : public StandingReaderTest {
 protected:
  // Before the engine is opened.
  FileSystem* Over(FileSystem* files) override {
    hooked_ = std::make_unique<HookedFileSystem>(files, [this] {
      if (!stands_at_files) return;
      stands_at_files = false;
      if (stops_++ < 6) AppendMeanwhile();
      stands_at_files = true;
    });
    return hooked_.get();
  }

  // Stops wherever `look` comes to a file. Returns how often.
  int Stops(const std::function<void()>& look) {
    stops_ = 0;
    stands_at_files = true;
    look();
    stands_at_files = false;
    return stops_;
  }

 private:
  std::unique_ptr<HookedFileSystem> hooked_;
  int stops_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Engines, StandingAtAFileTest,
                         ::testing::ValuesIn(SettingsWith(ThreadSettings(),
                                                          [](const EngineUnderTest& engine) {
                                                            return engine.keeps_files;
                                                          })),
                         SettingName);

TEST_P(StandingAtAFileTest, InTheMiddleOfASearchByTimeAReadACheckOrAnOpeningOfAReader) {
  RestartEngine();
  const int in_check =
      Stops([&] { ASSERT_STATUS_OK(log().Verify([](const VerifyProgress&) { return true; })); });
  EXPECT_GT(in_check, 0);
  int in_searches = 0;
  int in_reads = 0;
  for (int seconds = -130; seconds < 10; seconds += 7) {
    in_searches += Stops([&] {
      ASSERT_STATUS_OK(log().FirstSince(1, clock_.now() + absl::Seconds(seconds)).status());
    });
    std::unique_ptr<LogReader> reader;
    in_reads += Stops([&] {
      reader = *log().NewReader({.table = 1});
      ASSERT_STATUS_OK(reader->Next({}, [](const RecordView&) {}).status());
    });
  }
  if (GetParam().engine->regions_have_own_files) {
    EXPECT_GT(in_searches, 0);
    EXPECT_GT(in_reads, 0);
  }
  ASSERT_STATUS_OK(log().Health());
}

}  // namespace
}  // namespace walden::testing
