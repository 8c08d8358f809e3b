#include "server/log/recent_events.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace walden {
namespace {

TEST(RecentEventsTest, TheNewestComesFirstWithItsRegionAndOtherFields) {
  RecentEvents events;
  events.Add(1, LogSeverity::kWarning, "torn tail removed",
             {{"namespace", 1}, {"region", 7}, {"bytes", 311}, {"evidence", "default/7/torn 0"}});
  events.Add(2, LogSeverity::kError, "cannot write", {{"seconds", 0.5}});
  const std::vector<RecentEvent> latest = events.Latest();
  ASSERT_EQ(latest.size(), 2u);
  EXPECT_EQ(latest[0].event, "cannot write");
  EXPECT_EQ(latest[0].text, "seconds=0.5");
  EXPECT_FALSE(latest[0].region.has_value());
  EXPECT_EQ(latest[1].severity, LogSeverity::kWarning);
  EXPECT_EQ(latest[1].namespace_id, 1u);
  EXPECT_EQ(latest[1].region, 7u);
  EXPECT_EQ(latest[1].text, "bytes=311 evidence=\"default/7/torn 0\"");
  EXPECT_EQ(latest[1].unix_millis, 1);
}

TEST(RecentEventsTest, AnEventThatComesAgainIsCountedAndMovesUp) {
  RecentEvents events;
  events.Add(1, LogSeverity::kError, "a", {{"region", 1}, {"error", "first"}});
  events.Add(2, LogSeverity::kError, "a", {{"region", 2}});
  events.Add(3, LogSeverity::kError, "a", {{"region", 1}, {"error", "second"}});
  const std::vector<RecentEvent> latest = events.Latest();
  ASSERT_EQ(latest.size(), 2u);
  EXPECT_EQ(latest[0].region, 1u);
  EXPECT_EQ(latest[0].count, 2u);
  EXPECT_EQ(latest[0].text, "error=second");
  EXPECT_EQ(latest[0].unix_millis, 3);
  EXPECT_EQ(latest[1].count, 1u);
}

TEST(RecentEventsTest, TheOldestGoesWhenThereAreTooMany) {
  RecentEvents events;
  for (size_t i = 0; i < RecentEvents::kEvents + 5; ++i) {
    events.Add(1, LogSeverity::kWarning, "e", {{"region", i}});
  }
  const std::vector<RecentEvent> latest = events.Latest();
  ASSERT_EQ(latest.size(), RecentEvents::kEvents);
  EXPECT_EQ(latest.back().region, 5u);
}

TEST(RecentEventsTest, LongTextIsCutBetweenCharacters) {
  RecentEvents events;
  std::string umlauts;
  for (size_t i = 0; i < RecentEvents::kTextBytes; ++i) umlauts += "\xC3\xBC";
  events.Add(1, LogSeverity::kError, umlauts, {{"error", umlauts}});
  const RecentEvent latest = events.Latest()[0];
  for (const std::string& text : {latest.event, latest.text}) {
    EXPECT_LE(text.size(), RecentEvents::kTextBytes);
    EXPECT_GT(text.size(), RecentEvents::kTextBytes - 8);
    EXPECT_TRUE(absl::EndsWith(text, "\xBC...")) << "a character was cut in two";
  }
}

TEST(RecentEventsTest, TheLogFeedsItWithWarningsAndErrorsOnly) {
  Log(LogSeverity::kInfo, "recent events test, info");
  Log(LogSeverity::kWarning, "recent events test, warning", {{"region", 1}});
  bool found = false;
  for (const RecentEvent& event : RecentEvents::OfProcess()->Latest()) {
    EXPECT_NE(event.event, "recent events test, info");
    found |= event.event == "recent events test, warning" && event.unix_millis > 1'000'000'000'000;
  }
  EXPECT_TRUE(found);
}

TEST(RecentEventsTest, ManyThreadsMayAddAndLook) {
  RecentEvents events;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&events] {
      for (int i = 0; i < 1000; ++i) {
        events.Add(i, LogSeverity::kWarning, "e", {{"region", i % 3}});
        EXPECT_LE(events.Latest().size(), 3u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t count = 0;
  for (const RecentEvent& event : events.Latest()) count += event.count;
  EXPECT_EQ(count, 4000u);
}

}  // namespace
}  // namespace walden
