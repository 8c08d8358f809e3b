// walden_bench: every figure with its ceiling, measured in the same run.
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <regex>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/bench/cleanup.h"
#include "tests/bench/measurement.h"
#include "tests/bench/null_server.h"
#include "tests/bench/open_namespace_child.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"
#include "tests/bench/rows/rows.h"

namespace walden::bench {
namespace {

struct CommandLine {
  Options options;
  std::string directory = ".";
  std::string only;
  std::string json = "walden_bench.json";
  bool list = false;
  NullServerOptions null_server;
  std::string open_namespace;
};

std::string OwnPath() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

// What is wrong with it, or nothing.
std::string CheckRegex(const std::string& text) {
  try {
    const std::regex regex(text);
    return "";
  } catch (const std::regex_error& error) {
    return absl::StrCat(text, " is not a regular expression: ", error.what());
  }
}

void AddOptions(CLI::App& app, CommandLine& line) {
  Options& options = line.options;
  app.add_option("--only", line.only, "Only rows whose id matches this regular expression")
      ->check(CheckRegex);
  app.add_flag("--list", line.list, "Print the ids of all rows and end");
  app.add_option("--dir", line.directory, "Where to measure: a folder on the disk in question")
      ->capture_default_str();
  app.add_option("--waldend", options.waldend, "The daemon (default: beside this program)");
  app.add_option("--rounds", options.rounds, "Rounds of each figure")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--seconds", options.seconds_per_round, "Length of a round of load")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 3600.0));
  app.add_flag("--unix", options.unix_socket, "Unix sockets instead of TCP on the loopback");
  app.add_flag("--calibrate", options.calibrate,
               "Put the null server in the daemon's place: shares of a server should be 1.00");
  app.add_flag("--quick", options.quick, "Tiny loads, only to show that everything runs");
  app.add_option("--json", line.json, "Where the report goes")->capture_default_str();
  // Roles that this program starts itself in.
  app.add_option("--null-server", line.null_server.address)->group("");
  app.add_option("--null-sync-file", line.null_server.sync_file)->group("");
  app.add_option("--null-records-per-message", line.null_server.read_records_per_message)
      ->group("");
  app.add_option("--null-payload-bytes", line.null_server.read_payload_bytes)->group("");
  app.add_option("--open-namespace", line.open_namespace)->group("");
}

void PrintError(const absl::Status& status) {
  std::cerr << "walden_bench: " << status.message() << "\n";
}

int Exit(const absl::Status& status) {
  if (status.ok()) return 0;
  PrintError(status);
  return 1;
}

Row RunRow(const RowDefinition& definition, Options options) {
  Row row;
  row.set_id(definition.id);
  row.set_title(definition.title);
  options.directory = absl::StrCat(options.directory, "/", definition.id);
  std::error_code error;
  if (!std::filesystem::create_directory(options.directory, error)) {
    row.set_error(absl::StrCat("cannot create ", options.directory, ": ", error.message()));
    return row;
  }
  const uint64_t start = NowNanos();
  const RowResult result = definition.run(options);
  row.set_seconds(SecondsBetween(start, NowNanos()));
  if (result.ok()) {
    for (const Figure& figure : *result) *row.add_figures() = figure;
  } else {
    row.set_error(result.status().ToString());
  }
  std::filesystem::remove_all(options.directory, error);
  return row;
}

Settings DescribeSettings(const Options& options) {
  Settings settings;
  settings.set_rounds(static_cast<uint32_t>(options.rounds));
  settings.set_seconds_per_round(options.seconds_per_round);
  settings.set_quick(options.quick);
  settings.set_calibrating(options.calibrate);
  settings.set_transport(options.unix_socket ? "unix" : "tcp");
  return settings;
}

// 0, or 1 if a row could not be measured. Missing an aim is a finding, not a failure.
int RunRows(const CommandLine& line) {
  const std::regex only(line.only.empty() ? ".*" : line.only);
  Report report;
  *report.mutable_machine() = DescribeMachine(line.options);
  *report.mutable_settings() = DescribeSettings(line.options);
  std::cout << FormatMachine(report.machine(), report.settings()) << "\n"
            << FormatHeader() << std::flush;
  bool all_measured = true;
  for (const RowDefinition& definition : AllRows()) {
    if (!std::regex_search(definition.id, only)) continue;
    if (isatty(STDERR_FILENO) != 0) std::cerr << "measuring " << definition.id << " ...\r";
    Row* row = report.add_rows();
    *row = RunRow(definition, line.options);
    all_measured = all_measured && row->error().empty();
    std::cout << FormatRow(*row) << std::flush;
  }
  if (report.rows().empty()) {
    std::cerr << "walden_bench: no row matches --only " << line.only << "; see --list\n";
    return 2;
  }
  if (absl::Status status = WriteJson(report, line.json); !status.ok()) return Exit(status);
  std::cout << "\nreport: " << line.json << "\n";
  return all_measured ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures Walden against what the machine can do, in one run.");
  CommandLine line;
  AddOptions(app, line);
  CLI11_PARSE(app, argc, argv);
  // As waldend does, so that ceilings and load do not pay for it either.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  if (!line.null_server.address.empty()) return Exit(RunNullServer(line.null_server));
  if (!line.open_namespace.empty()) return Exit(RunOpenNamespaceChild(line.open_namespace));
  if (line.list) {
    for (const RowDefinition& row : AllRows()) std::cout << row.id << "\n";
    return 0;
  }
  HandleInterrupts();
  Options& options = line.options;
  options.self = OwnPath();
  if (options.waldend.empty()) {
    options.waldend = std::filesystem::path(options.self).replace_filename("waldend").string();
  }
  if (options.quick) {
    options.rounds = 1;
    options.seconds_per_round = 0.1;
    options.warm_up_seconds = 0.01;
  }
  absl::StatusOr<std::string> directory =
      CreateRunDirectory(std::filesystem::absolute(line.directory).string());
  if (!directory.ok()) return Exit(directory.status());
  options.directory = *directory;
  const int code = RunRows(line);
  RemoveRunDirectory();
  return code;
}

}  // namespace
}  // namespace walden::bench

int main(int argc, char** argv) { return walden::bench::Main(argc, argv); }
