// Random histories against a simple model, one seed each: puts, gets, scans, flushes, finalizes,
// restarts and power cuts, with little memory.
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gtest/gtest.h"
#include "tests/support/random.h"
#include "tests/unit/engine/entry/entry_store.h"

namespace walden::testing {
namespace {

class Model {
 public:
  void Put(const std::vector<TestEntry>& entries, SequenceNumber first) {
    for (TestEntry entry : entries) {
      entry.sequence = first++;
      live_[entry.sequence] = entry;
    }
  }
  void Finalize(SequenceNumber flush) {
    live_.erase(live_.begin(), live_.upper_bound(flush));
    finalized_ = std::max(finalized_, flush);
  }

  // In key order, newest first.
  std::vector<TestEntry> Through(SequenceNumber through) const {
    std::map<std::pair<std::string, SequenceNumber>, TestEntry> ordered;
    for (const auto& [sequence, entry] : live_) {
      if (sequence <= through) ordered[{entry.key, UINT64_MAX - sequence}] = entry;
    }
    std::vector<TestEntry> entries;
    for (const auto& [position, entry] : ordered) entries.push_back(entry);
    return entries;
  }
  std::vector<TestEntry> Newest(const std::string& first, const std::string& end,
                                int64_t now) const {
    std::vector<TestEntry> newest;
    std::string last;
    for (const TestEntry& entry : Through(kMaxSequenceNumber)) {
      if (entry.key < first || entry.key >= end || entry.key == last) continue;
      last = entry.key;
      const bool expired = entry.expires_unix_ms && *entry.expires_unix_ms <= now;
      if (entry.value && !expired) newest.push_back(entry);
    }
    return newest;
  }

  SequenceNumber finalized() const { return finalized_; }

 private:
  std::map<SequenceNumber, TestEntry> live_;
  SequenceNumber finalized_ = 0;
};

class History {
 public:
  explicit History(uint64_t seed) : random_(seed), store_(seed) {
    ChooseLimits();
    Require(store_.Open());
  }

  void Run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE(absl::StrCat("step ", step));
      Step();
    }
  }

 private:
  void Step() {
    const uint64_t choice = random_.Below(100);
    if (choice < 45) {
      Put();
    } else if (choice < 65) {
      Get();
    } else if (choice < 75) {
      Scan();
    } else if (choice < 85) {
      Flush();
    } else if (choice < 90) {
      Finalize();
    } else if (choice < 94) {
      ChooseLimits();
      store_.Restart();
    } else if (choice < 97) {
      PowerCut();
    } else {
      store_.now_unix_ms += static_cast<int64_t>(random_.Below(50));
    }
  }

  void ChooseLimits() {
    const uint64_t table = random_.Percent(50) ? 400 << 10 : 100 << 10;
    store_.SetLimits({.total_bytes = 2 * table,
                      .table_bytes = table,
                      .page_bytes = random_.Percent(50) ? 8u << 10 : 64u << 10});
  }

  std::string Key() { return absl::StrCat("k", random_.Below(60)); }

  std::vector<TestEntry> SomeEntries() {
    std::vector<TestEntry> entries(random_.Between(1, 8));
    for (TestEntry& entry : entries) {
      entry.key = Key();
      if (!random_.Percent(15)) entry.value = random_.NonZeroBytes(random_.Below(1500));
      if (random_.Percent(10)) {
        entry.expires_unix_ms = store_.now_unix_ms + static_cast<int64_t>(random_.Below(100));
      }
    }
    return entries;
  }

  void Put() {
    const std::vector<TestEntry> entries = SomeEntries();
    const BatchResult result = store_.TryPut(entries);
    if (result.status.ok()) {
      model_.Put(entries, result.first);
    } else {
      EXPECT_TRUE(HasReason(result.status, ErrorReason::kEntryMemoryFull)) << result.status;
      if (random_.Percent(30)) {
        Flush();
        Finalize();
      }
    }
  }

  void Get() {
    const std::string key = Key();
    const auto got = store_.TryGet(key);
    ASSERT_TRUE(got.ok()) << got.status();
    const std::vector<TestEntry> expected =
        model_.Newest(key, key + std::string(1, '\0'), store_.now_unix_ms);
    ASSERT_EQ(got->has_value(), !expected.empty()) << key;
    if (got->has_value()) {
      EXPECT_EQ(**got, expected[0]);
    }
  }

  void Scan() {
    std::string first = Key();
    std::string end = Key();
    if (end < first) std::swap(first, end);
    const auto got = store_.TryScan(first, end, {.max_records = random_.Between(1, 20)});
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, model_.Newest(first, end, store_.now_unix_ms));
  }

  void Flush() {
    const auto flush = store_.TryFlush({.max_records = random_.Between(1, 100)});
    ASSERT_TRUE(flush.ok()) << flush.status();
    EXPECT_EQ(flush->entries, model_.Through(kMaxSequenceNumber));
    if (flush->id != 0) flushes_.push_back(flush->id);
  }

  void Finalize() {
    if (flushes_.empty()) return;
    const SequenceNumber flush = flushes_[random_.Below(flushes_.size())];
    const absl::Status status = store_.TryFinalize(flush);
    ASSERT_TRUE(status.ok()) << status;
    model_.Finalize(flush);
  }

  // Inside some operation; what was under way may be there or not.
  void PowerCut() {
    const std::vector<TestEntry> entries = SomeEntries();
    store_.disk().CrashAt(random_.Between(1, 4), Crash::kPowerCut);
    const BatchResult result = store_.TryPut(entries);
    store_.disk().CancelCrash();
    if (result.status.ok()) model_.Put(entries, result.first);
    if (!store_.disk().crashed()) store_.disk().PowerCut();
    store_.Drop();
    Require(store_.Open());
    if (result.status.ok()) return;
    // All of the batch or nothing: ask the log for its last records.
    const auto records = ReadTable(store_.log(), EntryStore::kTable);
    ASSERT_TRUE(records.ok()) << records.status();
    if (records->size() < entries.size()) return;
    const SequenceNumber first = (*records)[records->size() - entries.size()].sequence;
    for (size_t i = 0; i < entries.size(); ++i) {
      const StoredRecord& record = (*records)[records->size() - entries.size() + i];
      if (record.payload != EntryStore::Payload(entries[i])) return;
    }
    if (first > model_.finalized()) model_.Put(entries, first);
  }

  static void Require(const absl::Status& status) {
    if (!status.ok()) throw std::runtime_error(status.ToString());
  }

  Random random_;
  EntryStore store_;
  Model model_;
  std::vector<SequenceNumber> flushes_;
};

// WALDEN_ENTRY_SEEDS=N tries as many; WALDEN_ENTRY_SEED=S only that one.
TEST(EntryModelTest, EveryHistoryIsAsTheModelSays) {
  const char* const one = std::getenv("WALDEN_ENTRY_SEED");
  const char* const many = std::getenv("WALDEN_ENTRY_SEEDS");
  const uint64_t first = one == nullptr ? 1 : std::strtoull(one, nullptr, 10);
  const uint64_t count = one != nullptr    ? 1
                         : many == nullptr ? 40
                                           : std::strtoull(many, nullptr, 10);
  for (uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    History(seed).Run(400);
  }
}

}  // namespace
}  // namespace walden::testing
