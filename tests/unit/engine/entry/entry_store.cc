#include "tests/unit/engine/entry/entry_store.h"

#include <stdexcept>
#include <utility>

#include "base/error.h"
#include "engine/wait.h"
#include "gtest/gtest.h"

namespace walden::testing {
namespace {

using entry::EntryView;
using entry::RecordKind;

TestEntry EntryOf(const RecordView& record) {
  const EntryView view = *entry::Decode(record.payload);
  TestEntry seen{.key = std::string(view.key), .sequence = record.sequence};
  if (view.kind == RecordKind::kValue) seen.value = std::string(view.value);
  seen.expires_unix_ms = view.expires_unix_ms;
  return seen;
}

absl::Status Walk(entry::EntryCursor& cursor, const ReadLimits& step,
                  std::vector<TestEntry>& entries) {
  while (true) {
    const auto progress = cursor.Next(
        step, [&entries](const RecordView& record) { entries.push_back(EntryOf(record)); });
    if (!progress.ok()) return progress.status();
    if (*progress == ReadProgress::kFinished) return absl::OkStatus();
    if (*progress != ReadProgress::kMore) return absl::InternalError("a cursor does not wait");
  }
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const TestEntry& entry) {
  return out << entry.key << "=" << entry.value.value_or("(tombstone)") << "@" << entry.sequence;
}

EntryStore::EntryStore(uint64_t seed) : disk_(seed) {
  if (!disk_.CreateDirectory("/data").ok() || !disk_.SyncDirectory("/").ok()) {
    throw std::runtime_error("no disk");
  }
}

EntryStore::~EntryStore() { Drop(); }

absl::Status EntryStore::Open() {
  auto engine = SegmentEngine::Open({.file_system = &disk_,
                                     .clock = Clock::Real(),
                                     .data_directory = "/data",
                                     .namespace_name = "default"});
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  auto log =
      OpenRegionAndWait(*engine_, kRegion, {.segment_size_bytes = 64 << 10}, /*create=*/true);
  if (!log.ok()) return log.status();
  log_ = *std::move(log);
  memory_ = std::make_unique<entry::EntryMemory>(limits_);
  tables_ = std::make_unique<entry::RegionEntryTables>(
      log_, entry::EntryEnvironment{.memory = memory_.get(), .loader = &loader_});
  return absl::OkStatus();
}

void EntryStore::Drop() {
  tables_ = nullptr;
  loader_.RunAll();
  if (memory_ != nullptr) {
    EXPECT_EQ(memory_->pages().used(), 0u) << "memory was not given back";
    EXPECT_EQ(memory_->passes().used(), 0u);
  }
  memory_ = nullptr;
  log_ = nullptr;
  engine_ = nullptr;
  if (disk_.crashed()) disk_.Restart();
}

void EntryStore::Restart() {
  absl::Status status = CloseAndWait(*log_);
  Drop();
  if (status.ok()) status = Open();
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

// ---------------------------------------------------------------------------------------------------
// What clients do

std::string EntryStore::Payload(const TestEntry& entry) {
  const EntryView view{
      .kind = entry.value.has_value() ? RecordKind::kValue : RecordKind::kTombstone,
      .key = entry.key,
      .value = entry.value.has_value() ? absl::string_view(*entry.value) : "",
      .expires_unix_ms = entry.expires_unix_ms};
  std::string payload(entry::EncodedBytes(view), '\0');
  entry::Encode(view, payload.data());
  return payload;
}

BatchResult EntryStore::Commit(AppendBatch& batch) {
  entry::Reservations reserved;
  batch.result.status = tables_->Admit(batch, reserved);
  AppendBatch* const group[] = {&batch};
  if (batch.result.status.ok()) CommitAndWait(*log_, group);
  tables_->Applied(batch, reserved);
  return ResultOf(batch);
}

BatchResult EntryStore::TryPut(Batch put) {
  AppendBatch batch = EngineBatch(put);
  batch.kind = TableKind::kEntries;
  return Commit(batch);
}

BatchResult EntryStore::TryPut(const std::vector<TestEntry>& entries, Durability durability) {
  Batch batch;
  batch.table = kTable;
  batch.durability = durability;
  for (const TestEntry& entry : entries) batch.payloads.push_back(Payload(entry));
  return TryPut(std::move(batch));
}

BatchResult EntryStore::Put(const std::string& key, const std::string& value) {
  BatchResult result = TryPut({{key, value}});
  EXPECT_TRUE(result.status.ok()) << result.status;
  return result;
}

BatchResult EntryStore::Delete(const std::string& key) {
  BatchResult result = TryPut({{key, std::nullopt}});
  EXPECT_TRUE(result.status.ok()) << result.status;
  return result;
}

absl::StatusOr<std::shared_ptr<entry::EntryTable>> EntryStore::Ready() {
  auto table = tables_->Find(kTable);
  if (!table.ok() || *table == nullptr) return table;
  std::optional<absl::Status> ready;
  (*table)->WhenReady([&ready](const absl::Status& status) { ready = status; });
  loader_.RunAll();
  if (!ready.has_value()) return absl::InternalError("loading never ended");
  if (!ready->ok()) return *ready;
  return table;
}

absl::StatusOr<std::optional<TestEntry>> EntryStore::TryGet(const std::string& key) {
  const auto table = Ready();
  if (!table.ok()) return table.status();
  if (*table == nullptr) return std::nullopt;
  std::optional<TestEntry> found;
  const auto visit = [&](size_t, const RecordView& record) {
    if (!entry::Decode(record.payload)->hidden_at(now_unix_ms)) found = EntryOf(record);
  };
  const absl::string_view keys[] = {key};
  const auto unknown = (*table)->GetFromMemory(keys, visit);
  if (!unknown.has_value()) return absl::InternalError("not ready");
  if (!unknown->empty()) {
    const auto read = (*table)->GetFromLog(keys, visit);
    if (!read.ok()) return read.status();
    if (!*read) return absl::InternalError("not ready");
  }
  return found;
}

std::string EntryStore::Get(const std::string& key) {
  const auto found = TryGet(key);
  if (!found.ok()) return found.status().ToString();
  return found->has_value() ? (*found)->value.value_or("(tombstone)") : "(none)";
}

absl::StatusOr<std::vector<TestEntry>> EntryStore::TryScan(const std::string& first,
                                                           std::optional<std::string> end,
                                                           const ReadLimits& step) {
  const auto table = Ready();
  if (!table.ok()) return table.status();
  std::vector<TestEntry> entries;
  if (*table == nullptr) return entries;
  entry::EntryCursor cursor(*table, *(*table)->ViewAll(), {first, std::move(end), now_unix_ms});
  const absl::Status status = Walk(cursor, step, entries);
  if (!status.ok()) return status;
  return entries;
}

absl::StatusOr<OpenFlush> EntryStore::BeginFlush() {
  auto table = Ready();
  if (!table.ok()) return table.status();
  OpenFlush flush;
  if (*table == nullptr) return flush;
  const auto plan = (*table)->PlanFlush();
  if (plan->nothing) return flush;
  flush.id = plan->reuse;
  if (flush.id == 0) {
    AppendBatch marker;
    marker.tables = {{.table = kTable, .payloads = {entry::FlushMarker()}}};
    marker.kind = TableKind::kEntries;
    const BatchResult result = Commit(marker);
    if (!result.status.ok()) return result.status;
    flush.id = result.first;
  }
  auto view = (*table)->BeginFlush(flush.id);
  if (!view.ok()) return view.status();
  flush.expected_entries = (*view)->entries;
  flush.cursor =
      std::make_unique<entry::EntryCursor>(*table, **std::move(view), entry::CursorRange{});
  return flush;
}

absl::StatusOr<TestFlush> EntryStore::FinishFlush(OpenFlush flush, const ReadLimits& step) {
  TestFlush finished{.id = flush.id};
  if (flush.id == 0) return finished;
  const absl::Status status = Walk(*flush.cursor, step, finished.entries);
  if (!status.ok()) return status;
  EXPECT_EQ(finished.entries.size(), flush.expected_entries) << "the header told another number";
  (*tables_->Find(kTable))->FlushConsumed(flush.id);
  return finished;
}

absl::StatusOr<TestFlush> EntryStore::TryFlush(const ReadLimits& step) {
  auto flush = BeginFlush();
  if (!flush.ok()) return flush.status();
  return FinishFlush(*std::move(flush), step);
}

TestFlush EntryStore::Flush() {
  auto flush = TryFlush();
  EXPECT_TRUE(flush.ok()) << flush.status();
  return flush.ok() ? *std::move(flush) : TestFlush{};
}

absl::Status EntryStore::TryFinalize(SequenceNumber flush) {
  const auto table = Ready();
  if (!table.ok()) return table.status();
  const absl::Status allowed = tables_->CheckFinalize(kTable, flush);
  if (!allowed.ok()) return allowed;
  const auto mark = MarkTableAndWait(*log_, kTable, flush, std::nullopt);
  if (!mark.ok()) return mark.status();
  tables_->Finalized(kTable, *mark);
  return absl::OkStatus();
}

}  // namespace walden::testing
