// The rows of the table. Each is measured on its own, in a folder of its own.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/figures.h"
#include "tests/bench/options.h"
#include "tests/bench/report.pb.h"

namespace walden::bench {

using RowResult = absl::StatusOr<std::vector<Figure>>;

struct RowDefinition {
  const char* id;
  const char* title;
  // `options.directory` is the row's folder, empty.
  RowResult (*run)(const Options& options);
};

// In the order of the table.
const std::vector<RowDefinition>& AllRows();

// Through the daemon.
RowResult RunAppendUnary(const Options& options);
RowResult RunAppendOneInFlight(const Options& options);
RowResult RunAppendStreamRow(const Options& options);
RowResult RunSmallRecords(const Options& options);
RowResult RunReadRow(const Options& options);
RowResult RunManyRegions(const Options& options);
RowResult RunMemory(const Options& options);
RowResult RunTenants(const Options& options);

// The entry log, through the daemon.
RowResult RunPutRow(const Options& options);
RowResult RunGetRow(const Options& options);
RowResult RunFlushRow(const Options& options);

// On the engine alone.
RowResult RunEntryOverhead(const Options& options);
RowResult RunEngineCommit(const Options& options);
RowResult RunOpenNamespace(const Options& options);
RowResult RunOneTableOfMany(const Options& options);

// The same with RocksDB, and what is its own.
RowResult RunRocksdbAppendUnary(const Options& options);
RowResult RunRocksdbAppendStream(const Options& options);
RowResult RunRocksdbRead(const Options& options);
RowResult RunRocksdbCommit(const Options& options);
RowResult RunRocksdbOpen(const Options& options);

}  // namespace walden::bench
