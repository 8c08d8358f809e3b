// A crash in the middle of appending, marking, closing, opening, creating and dropping, of issuing
// a producer's id and of passing over one of its numbers.
#include "engine/wait.h"
#include "tests/conformance/crash_fixture.h"

namespace walden::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Engines, CrashTest, ::testing::ValuesIn(CrashSettings()), SettingName);

TEST_P(CrashTest, ASyncAppendCutByACrashIsStoredWholeOrNotAtAll) {
  Sweep([](Story& s) { SomeHistory(s); }, [](Story& s) { s.Append(1, 5); });
}

TEST_P(CrashTest, AnAppendLargerThanManySectorsIsStoredWholeOrNotAtAll) {
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) { s.Append(1, 4, Durability::kSync, 1500); });
}

TEST_P(CrashTest, ABatchOverSeveralTablesCutByACrashIsInAllOfThemOrInNone) {
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          s.Append(s.OverTables({2, 5, 1}, 3, 400));
        });
}

TEST_P(CrashTest, BufferedBatchesOverSeveralTablesLoseOnlyASuffixOfWholeBatches) {
  set_segment_size(16 << 10);
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          for (TableId i = 0; i < 8; ++i) {
            Batch batch = s.OverTables({1 + i % 3, 4, 5 + i}, 1 + i % 2, 900);
            batch.durability = Durability::kBuffered;
            s.Append(batch);
          }
        });
}

TEST_P(CrashTest, ABatchOverNewEntryLogsCutByACrashIsInAllOfThemOrInNone) {
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          Batch batch = s.OverTables({8, 9}, 2);
          batch.kind = TableKind::kEntries;
          s.Append(batch);
        });
}

TEST_P(CrashTest, AProducersBatchKeepsTheNumbersOfAllTablesWhenItsSegmentIsRemoved) {
  set_segment_size(16 << 10);
  Sweep(
      [](Story& s) {
        s.OpenProducer();
        for (int i = 0; i < 3; ++i) s.AppendOfProducer({3, 1, 2}, 2, 700);
        for (int i = 0; i < 4; ++i) s.Append(1, 2, Durability::kSync, 3500);
      },
      [](Story& s) {
        for (const TableId table : {3, 2, 1}) s.MarkDeleted(table, kMaxSequenceNumber);
      });
}

TEST_P(CrashTest, AFenceOfAnEmptyRegionHoldsOnceItIsAnswered) {
  Sweep([](Story&) {}, [](Story& s) { s.Fence(5); });
}

TEST_P(CrashTest, AFenceHoldsOnceItIsAnsweredAmongAppends) {
  Sweep(
      [](Story& s) {
        SomeHistory(s);
        s.Fence(3);
      },
      [](Story& s) {
        s.Append(1, 2, Durability::kBuffered);
        s.Fence(4);
        s.Append(2, 2);
        s.Fence(9);
      });
}

TEST_P(CrashTest, APowerCutInTheOpeningAfterAKillLosesNothingThatWasDurable) {
  // Bytes that the killed process did not sync are shown to the opening, and gone after it.
  for (const uint64_t in_opening : {9, 12}) {
    for (uint64_t nth = 1; nth < 400; ++nth) {
      SCOPED_TRACE(::testing::Message() << "kill in change " << nth << ", power cut in change "
                                        << in_opening << " of the opening");
      Story story(this, nth * 31);
      ASSERT_STATUS_OK(story.machine.files().CreateDirectory("/data"));
      ASSERT_STATUS_OK(story.machine.files().SyncDirectory("/"));
      ASSERT_STATUS_OK(story.Open());
      SomeHistory(story);
      story.machine.CrashAt(nth, Crash::kKill);
      for (int i = 0; i < 24; ++i) {
        story.Append(1 + i % 2, 2, Durability::kSync, 2500);
        if (i % 6 == 5) story.MarkDeleted(1, kMaxSequenceNumber);
      }
      const bool crashed = story.machine.crashed();
      story.machine.CancelCrash();
      if (!crashed) story.machine.Kill();
      story.Stop();
      story.machine.Restart();
      story.machine.CrashAt(in_opening, Crash::kPowerCut, PowerLoss::kNothing);
      (void)story.Open();
      story.machine.CancelCrash();
      if (!story.machine.crashed()) story.machine.Kill();
      story.Stop();
      story.machine.Restart();
      ExpectRecovered(story);
      if (HasFailure() || !crashed) break;
    }
  }
}

TEST_P(CrashTest, BufferedAppendsLoseOnlyASuffix) {
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          for (int i = 0; i < 14; ++i)
            s.Append(1 + i % 2, 1 + i % 3, Durability::kBuffered, i * 50);
        });
}

TEST_P(CrashTest, AppendsAcrossSegmentsSurvive) {
  set_segment_size(16 << 10);
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          for (int i = 0; i < 8; ++i) s.Append(1 + i % 2, 2, Durability::kSync, 3500);
        });
}

TEST_P(CrashTest, BufferedAppendsAcrossSegmentsLoseOnlyASuffix) {
  set_segment_size(16 << 10);
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          for (int i = 0; i < 12; ++i) s.Append(1, 2, Durability::kBuffered, 3000);
        });
}

TEST_P(CrashTest, AMarkCutByACrashIsMadeOrNotAndNothingElseHappens) {
  set_segment_size(16 << 10);
  Sweep(
      [](Story& s) {
        for (int i = 0; i < 12; ++i) s.Append(1, 2, Durability::kSync, 2000);
        s.Append(2, 1);
      },
      [](Story& s) { s.MarkDeleted(1, 20); });
}

TEST_P(CrashTest, NumbersStayUsedWhenACrashCutsDeleteEverythingAndAppend) {
  Sweep([](Story& s) { SomeHistory(s); },
        [](Story& s) {
          s.MarkDeleted(2, kMaxSequenceNumber);
          s.MarkDeleted(1, kMaxSequenceNumber);
          s.Append(2, 1);
        });
}

TEST_P(CrashTest, ACrashWhileClosingLosesNothingThatWasDurable) {
  Sweep(
      [](Story& s) {
        SomeHistory(s);
        s.Append(1, 2, Durability::kBuffered);
      },
      [](Story& s) {
        if (CloseAndWait(*s.log).ok()) s.Settle();
      });
}

TEST_P(CrashTest, ACrashWhileOpeningAfterACrashLosesNothing) {
  Sweep(
      [](Story& s) {
        SomeHistory(s);
        s.Append(1, 3, Durability::kBuffered, 700);
        s.machine.PowerCut(PowerLoss::kRandom);
        s.answered_survives = false;
        s.Stop();
        s.machine.Restart();
      },
      [](Story& s) { (void)s.Open(); });
}

TEST_P(CrashTest, ACrashInTheMiddleOfATornTailsRepairLosesNothing) {
  // The crash before leaves a batch of many sectors half written.
  Sweep(
      [](Story& s) {
        SomeHistory(s);
        s.machine.CrashAt(1, Crash::kPowerCut, PowerLoss::kRandom);
        s.Append(1, 6, Durability::kSync, 2000);
        s.Stop();
        s.machine.CancelCrash();
        s.machine.Restart();
      },
      [](Story& s) { (void)s.Open(); });
}

// Ids are far apart from appends in time, and right behind them.
TEST_P(CrashTest, AnIdThatWasIssuedBeforeACrashIsRememberedAndNotIssuedAgain) {
  Sweep(
      [](Story& s) {
        s.OpenProducer();
        SomeHistory(s);
        s.OpenProducer();
      },
      [](Story& s) {
        s.OpenProducer();
        s.Append(1, 2);
        s.OpenProducer();
      });
}

TEST_P(CrashTest, ANumberThatWasPassedOverBeforeACrashIsNotStoredLater) {
  Sweep(
      [](Story& s) {
        SomeHistory(s);
        s.OpenProducer();
        s.PassOver();
      },
      [](Story& s) {
        s.Append(1, 3, Durability::kBuffered);
        s.PassOver();
        s.Append(2, 1);
        s.PassOver();
      });
}

TEST_P(CrashTest, ACrashWhileCreatingARegionLeavesNoneOrAnEmptyOne) {
  Sweep(
      [](Story& s) {
        SomeHistory(s);
        ASSERT_STATUS_OK(CloseAndWait(*s.log));
        s.log.reset();
      },
      [this](Story& s) { (void)OpenOwned(*s.engine, 99, options(), /*create=*/true); });
}

TEST_P(CrashTest, ACrashWhileDroppingARegionLeavesTheOthersAndTheRegionWholeOrGone) {
  const Step history = [this](Story& s) {
    SomeHistory(s);
    auto other = OpenOwned(*s.engine, 99, options(), /*create=*/true);
    ASSERT_TRUE(other.ok()) << other.status();
    Batch batch;
    batch.payloads = {Payload(1), Payload(2)};
    ASSERT_STATUS_OK(CommitOne(**other, batch).status);
    ASSERT_STATUS_OK(CloseAndWait(**other));
  };
  const Step drop = [this](Story& s) {
    (void)DropRegionAndWait(*s.engine, 99);
    if (!s.machine.crashed()) return;
    s.Stop();
    s.machine.Restart();
    ASSERT_STATUS_OK(s.Open());
    auto other = OpenOwned(*s.engine, 99, options(), /*create=*/true);
    ASSERT_TRUE(other.ok()) << other.status();
    const auto records = ReadTable(**other, 1);
    ASSERT_TRUE(records.ok()) << records.status();
    EXPECT_TRUE(records->empty() || records->size() == 2) << records->size();
    other->reset();
    s.machine.Kill();
  };
  Sweep(history, drop);
}

}  // namespace
}  // namespace walden::testing
