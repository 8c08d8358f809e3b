// Wherever a power cut hits between Put, Flush, the store's own work and Finalize: nothing that was
// acknowledged is lost, and nothing that was finalized comes back.
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/unit/engine/entry/entry_store.h"

namespace walden::testing {
namespace {

// A store that keeps what it flushed in files of its own, which survive.
class FlushingStore {
 public:
  explicit FlushingStore(EntryStore& walden) : walden_(walden) {}

  void Put(const std::string& key, const std::string& value) {
    if (walden_.disk().crashed()) return;
    tried_[key] = value;
    if (walden_.TryPut({{key, value}}).status.ok()) acknowledged_[key] = value;
  }

  void FlushAndFinalize() {
    const auto flush = walden_.TryFlush();
    if (!flush.ok() || flush->id == 0) return;
    std::set<std::string> seen;
    for (const TestEntry& entry : flush->entries) {
      if (seen.insert(entry.key).second) files_[entry.key] = *entry.value;
    }
    if (walden_.TryFinalize(flush->id).ok()) {
      finalized_.insert(flush->entries.begin(), flush->entries.end());
    }
  }

  // After a crash: each key's newest value is what was acknowledged last, or was tried when the
  // crash came.
  void ExpectNothingLost() {
    for (const auto& [key, value] : acknowledged_) {
      const auto got = walden_.TryGet(key);
      ASSERT_TRUE(got.ok()) << got.status();
      const std::string newest = got->has_value() ? *(*got)->value : files_[key];
      EXPECT_TRUE(newest == value || newest == tried_[key]) << key << " is " << newest;
      if (got->has_value()) {
        EXPECT_EQ(finalized_.count(**got), 0u) << key << " was finalized and came back";
      }
    }
    const auto flush = walden_.TryFlush();
    ASSERT_TRUE(flush.ok()) << flush.status();
    for (const TestEntry& entry : flush->entries) {
      EXPECT_EQ(finalized_.count(entry), 0u) << entry << " was finalized and came back";
    }
  }

 private:
  struct BySequence {
    bool operator()(const TestEntry& a, const TestEntry& b) const {
      return a.sequence < b.sequence;
    }
  };

  EntryStore& walden_;
  std::map<std::string, std::string> tried_;
  std::map<std::string, std::string> acknowledged_;
  std::map<std::string, std::string> files_;
  std::set<TestEntry, BySequence> finalized_;
};

// One life of a store, cut at the n-th change of the disk. False when it was not cut any more.
bool LiveUntil(uint64_t nth_change, Crash crash) {
  SCOPED_TRACE(absl::StrCat("crash inside change ", nth_change));
  EntryStore walden(/*seed=*/nth_change);
  EXPECT_TRUE(walden.Open().ok());
  FlushingStore store(walden);
  walden.disk().CrashAt(nth_change, crash);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i)
      store.Put(absl::StrCat("key ", (round + i) % 6), absl::StrCat(round));
    store.FlushAndFinalize();
    store.Put("between", absl::StrCat(round));
  }
  const bool crashed = walden.disk().crashed();
  walden.disk().CancelCrash();
  if (!crashed) walden.disk().PowerCut();
  walden.Drop();
  const absl::Status opened = walden.Open();
  EXPECT_TRUE(opened.ok()) << opened;
  if (opened.ok()) store.ExpectNothingLost();
  return crashed;
}

TEST(EntryCrashTest, APowerCutAtAnyPointLosesNothingAcknowledgedAndBringsNothingFinalizedBack) {
  uint64_t at = 1;
  while (LiveUntil(at, Crash::kPowerCut) && !::testing::Test::HasFailure()) ++at;
  EXPECT_GT(at, 30u) << "the story changes the disk more often than that";
}

TEST(EntryCrashTest, AKillAtAnyPointLosesNothingAcknowledgedAndBringsNothingFinalizedBack) {
  uint64_t at = 1;
  while (LiveUntil(at, Crash::kKill) && !::testing::Test::HasFailure()) ++at;
  EXPECT_GT(at, 30u);
}

TEST(EntryCrashTest, AFlushMakesBufferedEntriesDurable) {
  EntryStore walden;
  ASSERT_TRUE(walden.Open().ok());
  ASSERT_TRUE(walden.TryPut({{"a", "1"}}, Durability::kBuffered).status.ok());
  const TestFlush flush = walden.Flush();
  walden.disk().PowerCut(PowerLoss::kNothing);
  walden.Drop();
  ASSERT_TRUE(walden.Open().ok());
  EXPECT_EQ(walden.Flush().entries, flush.entries);
  EXPECT_TRUE(walden.TryFinalize(flush.id).ok());
}

TEST(EntryCrashTest, AFailedWriteIsNeverSeen) {
  EntryStore walden;
  ASSERT_TRUE(walden.Open().ok());
  walden.Put("a", "1");
  walden.disk().FailNth(1, file_op::kSync, EIO);
  EXPECT_FALSE(walden.TryPut({{"a", "2"}}).status.ok());
  EXPECT_EQ(walden.Get("a"), "1");
}

}  // namespace
}  // namespace walden::testing
