// The RocksDB engine alone: group commits against RocksDB's own, and opening many tables.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "engine/io/posix_file_system.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/options/options.h"
#include "engine/rocksdb/rocksdb_engine.h"
#include "engine/wait.h"
#include "rocksdb/db.h"
#include "tests/bench/figures.h"
#include "tests/bench/payload.h"
#include "tests/bench/rows/rows.h"
#include "tests/bench/segment_log.h"

namespace walden::bench {
namespace {

constexpr RegionId kRegion = 1;
constexpr TableId kTable = 1;
constexpr size_t kGroupRecords = 256;
constexpr size_t kPayloadBytes = 1024;
constexpr size_t kGroupPayloadBytes = kGroupRecords * kPayloadBytes;

absl::Status CreateDirectory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  return error ? absl::ErrnoToStatus(error.value(), absl::StrCat("cannot create ", path))
               : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RocksdbEngine>> OpenRocksdb(const std::string& directory) {
  if (absl::Status status = CreateDirectory(directory); !status.ok()) return status;
  return RocksdbEngine::Open({.file_system = PosixFileSystem(),
                              .clock = Clock::Real(),
                              .data_directory = directory,
                              .namespace_name = "default"});
}

// Calls `commit` for some seconds; MB/s of payload.
absl::StatusOr<Measurement> CommitFor(double seconds, absl::FunctionRef<absl::Status()> commit) {
  Measurement measurement;
  const uint64_t start = NowNanos();
  uint64_t now = start;
  for (const uint64_t end = start + Nanos(seconds); now < end;) {
    const uint64_t before = now;
    if (absl::Status status = commit(); !status.ok()) return status;
    now = NowNanos();
    measurement.latency.Record(absl::Nanoseconds(now - before));
  }
  const double bytes = static_cast<double>(measurement.latency.count() * kGroupPayloadBytes);
  measurement.value = bytes / 1e6 / SecondsBetween(start, now);
  return measurement;
}

// The same keys and values, written by nobody but RocksDB.
class PlainRocksdb {
 public:
  absl::Status Open(const std::string& directory) {
    rocksdb::DB* db = nullptr;
    rocksdb::Options options = rocks::MakeOptions({}, nullptr, nullptr);
    options.create_if_missing = true;
    const rocksdb::Status status = rocksdb::DB::Open(options, directory, &db);
    db_.reset(db);
    return Checked(status);
  }

  absl::Status Commit(const std::vector<std::string>& payloads) {
    rocksdb::WriteBatch batch;
    for (const std::string& payload : payloads) {
      const std::string key = rocks::EncodeLogKey({1, kRegion, kTable, next_++});
      const char version = 0;
      const rocksdb::Slice key_part(key);
      const rocksdb::Slice value_parts[] = {{&version, 1}, payload};
      batch.Put(rocksdb::SliceParts(&key_part, 1), rocksdb::SliceParts(value_parts, 2));
    }
    rocksdb::WriteOptions options;
    options.sync = true;
    return Checked(db_->Write(options, &batch));
  }

  absl::Status DeleteAll() {
    const rocksdb::Status status = db_->DeleteRange(
        {}, db_->DefaultColumnFamily(), rocks::EncodeLogKey({1, kRegion, kTable, 0}),
        rocks::EncodeLogKey({1, kRegion, kTable, next_}));
    return Checked(status);
  }

 private:
  static absl::Status Checked(const rocksdb::Status& status) {
    return status.ok() ? absl::OkStatus() : absl::UnavailableError(status.ToString());
  }

  std::unique_ptr<rocksdb::DB> db_;
  SequenceNumber next_ = 1;
};

absl::Status WriteTables(RegionLog& log, TableId tables) {
  const std::vector<std::string> payloads = MakePayloads(1000, 100);
  RepeatedGroup group(payloads, 1, Durability::kBuffered);
  TableId table = 1;
  while (table <= tables) {
    for (size_t i = 0; i < group.batches(); ++i) group.SetTable(i, table++);
    if (absl::Status status = group.Commit(log); !status.ok()) return status;
  }
  return SyncAndWait(log);
}

}  // namespace

RowResult RunRocksdbCommit(const Options& options) {
  auto engine = OpenRocksdb(options.directory + "/engine");
  if (!engine.ok()) return engine.status();
  auto log = OpenRegion(**engine, kRegion);
  if (!log.ok()) return log.status();
  PlainRocksdb plain;
  if (absl::Status status = plain.Open(options.directory + "/plain"); !status.ok()) return status;
  const std::vector<std::string> payloads = MakePayloads(kGroupRecords, kPayloadBytes);
  RepeatedGroup group(payloads, 1, Durability::kSync);
  for (size_t i = 0; i < group.batches(); ++i) group.SetTable(i, kTable);
  auto rounds = MeasureRounds(
      options,
      [&]() -> absl::StatusOr<Measurement> {
        auto measured = CommitFor(options.seconds_per_round, [&] { return group.Commit(**log); });
        auto marked = MarkTableAndWait(**log, kTable, kMaxSequenceNumber, std::nullopt);
        if (!marked.ok()) return marked.status();
        return measured;
      },
      [&]() -> absl::StatusOr<Measurement> {
        auto measured =
            CommitFor(options.seconds_per_round, [&] { return plain.Commit(payloads); });
        if (absl::Status status = plain.DeleteAll(); !status.ok()) return status;
        return measured;
      });
  if (!rounds.ok()) return rounds.status();
  if (absl::Status status = CloseAndWait(**log); !status.ok()) return status;
  return std::vector{
      MakeFigure({.title = "RocksDB engine, groups of 256 x 1 KiB",
                  .unit = "MB/s",
                  .ceiling = "RocksDB's WriteBatch + sync of the same keys and values",
                  .latency_of = "group"},
                 *rounds, ShareAtLeast(0.85))};
}

RowResult RunRocksdbOpen(const Options& options) {
  const std::string directory = options.directory + "/engine";
  const TableId tables = options.Scale(10'000, 1000);
  {
    auto engine = OpenRocksdb(directory);
    if (!engine.ok()) return engine.status();
    auto log = OpenRegion(**engine, kRegion);
    if (!log.ok()) return log.status();
    for (int i = 0; i < 100; ++i) {  // records of each table
      if (absl::Status status = WriteTables(**log, tables); !status.ok()) return status;
    }
    if (absl::Status status = CloseAndWait(**log); !status.ok()) return status;
  }
  // Walden refuses a directory that was opened by anything else.
  const std::string copy = options.directory + "/plain";
  std::error_code copied;
  std::filesystem::copy(directory + "/default", copy, std::filesystem::copy_options::recursive,
                        copied);
  if (copied) return absl::UnavailableError(absl::StrCat("copy ", copy, ": ", copied.message()));
  uint64_t keys_read = 0;
  auto rounds = MeasureRounds(
      options,
      [&]() -> absl::StatusOr<Measurement> {
        const uint64_t start = NowNanos();
        auto engine = OpenRocksdb(directory);
        if (!engine.ok()) return engine.status();
        auto log = OpenRegion(**engine, kRegion);
        if (!log.ok()) return log.status();
        const double seconds = SecondsBetween(start, NowNanos());
        keys_read = (*engine)->keys_read_at_opening();
        if (absl::Status status = CloseAndWait(**log); !status.ok()) return status;
        return Measurement{.value = seconds * 1e3};
      },
      [&]() -> absl::StatusOr<Measurement> {
        const uint64_t start = NowNanos();
        PlainRocksdb plain;
        if (auto status = plain.Open(copy); !status.ok()) return status;
        return Measurement{.value = SecondsBetween(start, NowNanos()) * 1e3};
      });
  if (!rounds.ok()) return rounds.status();
  Figure figure =
      MakeFigure({.title = absl::StrCat("opening RocksDB namespace, ", tables, " tables"),
                  .unit = "ms",
                  .ceiling = "rocksdb::DB::Open of a copy of the directory"},
                 *rounds, ValueAtMost(1000));
  AddDetail(figure, "keys read", static_cast<double>(keys_read), "");
  AddDetail(figure, "records stored", static_cast<double>(100 * tables), "");
  return std::vector{figure};
}

}  // namespace walden::bench
