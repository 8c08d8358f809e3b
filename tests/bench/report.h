// The report of a run, for people and for programs.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "tests/bench/options.h"
#include "tests/bench/report.pb.h"

namespace walden::bench {

// What the machine is, and the file system that `options.directory` is on.
Machine DescribeMachine(const Options& options);

// The lines above the table, the line of its columns, and the lines of one row.
std::string FormatMachine(const Machine& machine, const Settings& settings);
std::string FormatHeader();
std::string FormatRow(const Row& row);

// The whole report as JSON; fields are described in report.proto.
absl::Status WriteJson(const Report& report, const std::string& path);

}  // namespace walden::bench
