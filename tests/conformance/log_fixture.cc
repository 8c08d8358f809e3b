#include "tests/conformance/log_fixture.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/io/posix_file_system.h"
#include "engine/wait.h"

namespace walden::testing {

namespace {

// googletest takes it for a failure of the test, which then ends, however deep it is in helpers.
void Require(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

}  // namespace

// ---------------------------------------------------------------------------------------------------
// Settings

std::ostream& operator<<(std::ostream& out, const Setting& setting) {
  constexpr const char* kMedia[] = {"_FaultFiles", "_RealFiles", "_Store"};
  return out << setting.engine->name << kMedia[static_cast<int>(setting.medium)]
             << (setting.load == Load::kSmall ? "_Small" : "_Large")
             << (setting.pipeline == 0 ? "" : absl::StrCat("_Pipeline", setting.pipeline));
}

std::string SettingName(const ::testing::TestParamInfo<Setting>& info) {
  std::ostringstream name;
  name << info.param;
  return name.str();
}

std::vector<Setting> AllSettings() {
  std::vector<Setting> settings;
  for (const EngineUnderTest& engine : EnginesUnderTest()) {
    for (const Medium medium : {Medium::kFaultFiles, Medium::kRealFiles, Medium::kStore}) {
      if (engine.keeps_files == (medium == Medium::kStore)) continue;
      for (const Load load : {Load::kSmall, Load::kLarge}) {
        settings.push_back({&engine, medium, load});
      }
    }
  }
  return settings;
}

namespace {

std::vector<Setting> NotOnMedia(const std::set<Medium>& media) {
  std::vector<Setting> settings = AllSettings();
  std::erase_if(settings, [&](const Setting& setting) { return media.contains(setting.medium); });
  return settings;
}

}  // namespace

std::vector<Setting> CrashSettings() { return NotOnMedia({Medium::kRealFiles}); }

std::vector<Setting> FaultFileSettings() {
  return NotOnMedia({Medium::kRealFiles, Medium::kStore});
}

std::vector<Setting> ThreadSettings() { return NotOnMedia({Medium::kFaultFiles}); }

std::vector<Setting> PipelineSettings(const std::vector<Setting>& settings) {
  std::vector<Setting> with_pipeline;
  for (Setting setting : settings) {
    for (const size_t commits : {1, 2, 8}) {
      setting.pipeline = commits;
      with_pipeline.push_back(setting);
    }
  }
  return with_pipeline;
}

std::vector<Setting> SettingsWith(std::vector<Setting> settings,
                                  const std::function<bool(const EngineUnderTest&)>& wanted) {
  settings.erase(std::remove_if(settings.begin(), settings.end(),
                                [&](const Setting& s) { return !wanted(*s.engine); }),
                 settings.end());
  return settings;
}

// ---------------------------------------------------------------------------------------------------
// Ledger

void Ledger::Appended(TableId table, const BatchResult& result,
                      const std::vector<std::string>& payloads) {
  EXPECT_EQ(result.last - result.first + 1, payloads.size()) << "numbers of a batch are contiguous";
  EXPECT_GE(result.first, Next(table)) << "a number came back";
  Table& entry = tables_[table];
  for (size_t i = 0; i < payloads.size(); ++i) {
    entry.records.push_back({table, result.first + i, payloads[i]});
  }
  entry.next = result.last + 1;
}

void Ledger::Appended(const Batch& batch, const BatchResult& result) {
  const std::vector<BatchPart> parts = PartsOf(batch);
  const std::vector<PartResult> numbers = NumbersOf(batch, result);
  ASSERT_EQ(numbers.size(), parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    BatchResult part;
    part.first = numbers[i].first;
    part.last = numbers[i].last;
    Appended(parts[i].table, part, parts[i].payloads);
  }
}

void Ledger::MarkedDeleted(TableId table, SequenceNumber mark) {
  Table& entry = tables_[table];
  entry.mark = std::max(entry.mark, mark);
  entry.next = std::max(entry.next, mark + 1);
}

std::vector<StoredRecord> Ledger::Live(TableId table) const {
  std::vector<StoredRecord> live;
  const auto entry = tables_.find(table);
  if (entry == tables_.end()) return live;
  for (const StoredRecord& record : entry->second.records) {
    if (record.sequence > entry->second.mark) live.push_back(record);
  }
  return live;
}

std::vector<TableId> Ledger::Tables() const {
  std::vector<TableId> tables;
  for (const auto& [table, entry] : tables_) tables.push_back(table);
  return tables;
}

SequenceNumber Ledger::Next(TableId table) const {
  const auto entry = tables_.find(table);
  return entry == tables_.end() ? 1 : entry->second.next;
}

SequenceNumber Ledger::Mark(TableId table) const {
  const auto entry = tables_.find(table);
  return entry == tables_.end() ? 0 : entry->second.mark;
}

// ---------------------------------------------------------------------------------------------------
// The machine and the engine

LogTest::LogTest() = default;
LogTest::~LogTest() = default;

void LogTest::SetUp() {
  if (GetParam().pipeline > 0) options_.max_commits_under_way = GetParam().pipeline;
  options_.segment_size_bytes = GetParam().load == Load::kSmall ? 1 << 20 : 16 << 10;
  if (GetParam().medium != Medium::kRealFiles) {
    machine_ = std::make_unique<Machine>(1);
    files_ = &machine_->files();
    root_ = "/data";
    ASSERT_TRUE(files_->CreateDirectory(root_).ok());
    ASSERT_TRUE(files_->SyncDirectory("/").ok());
  } else {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "walden-conformance-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    files_ = PosixFileSystem();
  }
  files_ = Over(files_);
  directory_ = root_ + "/default";
  OpenEngine();
  OpenLog();
}

void LogTest::TearDown() {
  StopEngine();
  if (GetParam().medium == Medium::kRealFiles) std::filesystem::remove_all(root_);
}

std::vector<std::string> LogTest::FilesOnDisk() {
  if (machine_ != nullptr) return disk().FilesBelow(root_);
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

absl::StatusOr<std::unique_ptr<LogEngine>> LogTest::TryOpenEngine(const std::string& node) {
  const auto store = machine_ == nullptr ? nullptr : machine_->store();
  EngineGround ground(files_, store);
  ground.node = node;
  return GetParam().engine->open(ground, directory_, wall_clock_);
}

void LogTest::OpenEngine() {
  auto engine = TryOpenEngine();
  Require(engine.status());
  engine_ = std::move(*engine);
}

void LogTest::StopEngine() {
  log_.reset();
  engine_.reset();
}

absl::Status LogTest::TryOpenLog() {
  auto log = OpenOwned(*engine_, kRegion, options_, /*create=*/true);
  if (log.ok()) log_ = std::move(*log);
  return log.status();
}

void LogTest::OpenLog() { Require(TryOpenLog()); }

void LogTest::OpenLogAfterFailedSync() {
  if (HasReason(TryOpenLog(), ErrorReason::kIoError)) OpenLog();
}

void LogTest::CloseLog() {
  Require(CloseAndWait(*log_));
  log_.reset();
}

void LogTest::ReopenLog() {
  CloseLog();
  OpenLog();
}

void LogTest::RestartEngine() {
  CloseLog();
  engine_.reset();
  OpenEngine();
  OpenLog();
}

void LogTest::CrashAndReopen() {
  StopEngine();
  machine().Restart();
  OpenEngine();
  OpenLog();
}

// ---------------------------------------------------------------------------------------------------
// Appending and comparing

std::string LogTest::Payload(uint64_t n) const {
  std::string payload = absl::StrCat("<payload ", n, ">");
  if (GetParam().load == Load::kLarge) payload += Random(n).NonZeroBytes(1200 + n % 300);
  return payload;
}

std::vector<std::string> LogTest::Payloads(size_t count) {
  std::vector<std::string> payloads;
  for (size_t i = 0; i < count; ++i) payloads.push_back(Payload(payloads_made_++));
  return payloads;
}

BatchResult LogTest::Try(const Batch& batch) {
  BatchResult result = CommitOne(*log_, batch);
  if (result.status.ok() && !result.duplicate) ledger_.Appended(batch, result);
  return result;
}

BatchResult LogTest::Append(TableId table, size_t count, Durability durability) {
  Batch batch;
  batch.table = table;
  batch.payloads = Payloads(count);
  batch.durability = durability;
  BatchResult result = Try(batch);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_FALSE(result.duplicate);
  if (durability == Durability::kSync) {
    EXPECT_TRUE(result.durable);
  }
  return result;
}

SequenceNumber LogTest::MarkDeleted(TableId table, SequenceNumber through) {
  const auto mark = MarkTableAndWait(*log_, table, through, std::nullopt);
  EXPECT_TRUE(mark.ok()) << mark.status();
  if (!mark.ok()) return 0;
  ledger_.MarkedDeleted(table, *mark);
  return *mark;
}

uint64_t LogTest::OpenProducer() {
  const auto id = OpenProducerAndWait(*log_, std::nullopt);
  EXPECT_TRUE(id.ok()) << id.status();
  return id.value_or(0);
}

void LogTest::ExpectLogHoldsLedger() { ExpectLogHoldsLedger(*log_, ledger_); }

void LogTest::ExpectLogHoldsLedger(RegionLog& log, const Ledger& ledger) {
  std::map<TableId, std::vector<StoredRecord>> by_table;
  const auto everything = ReadAll(log, ReadRange{});
  ASSERT_TRUE(everything.ok()) << everything.status();
  for (const StoredRecord& record : *everything) by_table[record.table].push_back(record);

  std::map<TableId, TableState> states;
  for (const TableState& state : log.Describe().tables) states[state.table] = state;

  for (const TableId table : ledger.Tables()) {
    SCOPED_TRACE(absl::StrCat("table ", table));
    const std::vector<StoredRecord> live = ledger.Live(table);
    const auto read = ReadTable(log, table);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, live);
    EXPECT_EQ(by_table[table], live) << "read of all tables";

    const TablePosition position = log.Position(table);
    EXPECT_EQ(position.last, ledger.Next(table) - 1);
    // A crash raises it, and where regions share numbers another region's table of this id.
    EXPECT_GE(position.next, ledger.Next(table));
    EXPECT_EQ(position.first, live.empty() ? position.next : live.front().sequence);
    EXPECT_EQ(position.deleted_through, ledger.Mark(table));

    ASSERT_EQ(states.count(table), ledger.Next(table) > 1 ? 1u : 0u);
    if (ledger.Next(table) == 1) continue;
    EXPECT_EQ(states[table].next, position.next);
    EXPECT_EQ(states[table].deleted_through, ledger.Mark(table));
    EXPECT_EQ(states[table].first_live, live.empty() ? 0 : live.front().sequence);
    EXPECT_EQ(states[table].last_live, live.empty() ? 0 : live.back().sequence);
  }
  for (const auto& [table, records] : by_table) {
    EXPECT_FALSE(ledger.Tables().empty() || (records.size() > 0 && ledger.Next(table) == 1))
        << "table " << table << " should not exist";
  }
}

}  // namespace walden::testing
