// waldend: the daemon's command line.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "config/loader.h"
#include "config/print.h"
#include "engine/io/posix_file_system.h"
#include "server/daemon.h"
#include "server/logging.h"
#include "server/security/exposure.h"

namespace walden {
namespace {

enum ExitCode : int {
  kExitOk = 0,
  kExitStartFailed = 1,
  kExitBadUsage = 2,
  kExitBadConfig = 3,
  kExitStopFailed = 4,
};

constexpr char kFooter[] =
    "Without a configuration file: one namespace on local disk below ./data, at 127.0.0.1:7070.\n"
    "Every setting can also be given as a WALDEN_... environment variable.\n"
    "SIGTERM and SIGINT: answer what is under way, sync, close, exit. A second one: exit at once.\n"
    "\n"
    "Exit codes:\n"
    "  0  stopped by a signal, everything answered was kept\n"
    "  1  could not start: data directory in use or unusable, address in use\n"
    "  2  wrong use of the command line\n"
    "  3  the configuration is wrong\n"
    "  4  stopped, but a region could not be synced while closing\n"
    "  128+n  ended at once by a second signal n\n";

struct Options {
  std::optional<std::string> config_file;
  std::optional<std::string> data_dir;
  std::vector<std::string> listen;
  bool check_config = false;
  bool print_config = false;
};

std::vector<CommandLineSetting> SettingsFrom(const Options& options) {
  std::vector<CommandLineSetting> settings;
  if (options.data_dir.has_value()) {
    settings.push_back({"data_dir", {*options.data_dir}, "--data-dir"});
  }
  if (!options.listen.empty()) settings.push_back({"listen", options.listen, "--listen"});
  return settings;
}

LogSeverity SeverityOf(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return LogSeverity::kTrace;
    case LogLevel::kDebug:
      return LogSeverity::kDebug;
    case LogLevel::kInfo:
      return LogSeverity::kInfo;
    case LogLevel::kWarning:
      return LogSeverity::kWarning;
    case LogLevel::kError:
      return LogSeverity::kError;
  }
  return LogSeverity::kInfo;
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Messages of some hundred KiB come and go all the time. Left alone, glibc maps and unmaps each of
// them, or gives the top of the heap back and takes it again; both cost more than the copying.
void KeepMessageMemory() {
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

// Every open region holds a few files, and shells and containers commonly begin with a low limit
// below the one that they permit.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    std::cerr << "waldend: cannot raise the limit of open files, going on with the one that is: "
              << std::strerror(errno) << "\n";
  }
}

// Debian builds Abseil with its search for lock cycles on, which takes a lock of its own at every
// lock. Tests keep it.
void StopLookingForDeadlocks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

int Serve(const Config& config) {
  KeepMessageMemory();
  StopLookingForDeadlocks();
  RaiseFileLimit();
  // Before any thread is started, so that all of them leave these signals to sigwait.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  StartLogging(SeverityOf(config.log.level),
               config.log.format == LogFormat::kJson ? LogStyle::kJson : LogStyle::kText);

  absl::StatusOr<std::unique_ptr<Daemon>> daemon = Daemon::Start(config, PosixFileSystem());
  if (!daemon.ok()) {
    std::cerr << "waldend: cannot start: " << daemon.status().message() << "\n";
    return kExitStartFailed;
  }
  int received = 0;
  sigwait(&signals, &received);
  std::thread([signals] {
    int again = 0;
    sigwait(&signals, &again);
    _exit(128 + again);
  }).detach();
  const int code = (*daemon)->Stop().ok() ? kExitOk : kExitStopFailed;
  daemon->reset();
  // Past the destructors of globals, which threads that gRPC keeps may still be using.
  _exit(code);
}

int Main(int argc, char** argv) {
  CLI::App app("waldend: Walden, a write-ahead log as a service.");
  Options options;
  app.add_option("--config", options.config_file, "Configuration file (YAML)")->type_name("FILE");
  app.add_option("--data-dir", options.data_dir, "Where the logs are kept")->type_name("DIR");
  app.add_option("--listen", options.listen,
                 "Address to serve on: host:port, [v6]:port or unix:/path; may be repeated")
      ->type_name("ADDR")
      ->allow_extra_args(false);
  app.add_flag("--check-config", options.check_config, "Check the configuration and exit");
  app.add_flag("--print-config", options.print_config,
               "Print the effective configuration, with where each setting came from, and exit");
  app.set_version_flag("--version", std::string("waldend ") + kVersion);
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitBadUsage;
  }

  const absl::StatusOr<LoadedConfig> loaded =
      LoadConfig(options.config_file, WaldenEnvironment(), SettingsFrom(options));
  if (!loaded.ok()) {
    std::cerr << loaded.status().message() << "\n";
    return kExitBadConfig;
  }
  if (options.print_config) {
    std::cout << PrintConfig(*loaded);
    return kExitOk;
  }
  if (const absl::Status exposure = CheckExposure(loaded->config); !exposure.ok()) {
    std::cerr << "waldend: " << exposure.message() << "\n";
    return kExitBadConfig;
  }
  if (options.check_config) {
    std::cout << "The configuration is good.\n";
    return kExitOk;
  }
  return Serve(loaded->config);
}

}  // namespace
}  // namespace walden

int main(int argc, char** argv) { return walden::Main(argc, argv); }
