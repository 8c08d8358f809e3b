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

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "config/loader.h"
#include "config/print.h"
#include "engine/io/posix_file_system.h"
#include "server/daemon.h"
#include "server/from_config.h"
#include "server/lifecycle/service_manager.h"
#include "server/logging.h"
#include "server/security/exposure.h"
#include "server/ticker.h"
#include "server/version.h"

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
    "SIGHUP: read the configuration again, take over what can be, and log what needs a restart.\n"
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

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

sigset_t AllSignals() {
  sigset_t signals = StopSignals();
  sigaddset(&signals, SIGHUP);
  return signals;
}

absl::StatusOr<LoadedConfig> Load(const Options& options) {
  return LoadConfig(options.config_file, WaldenEnvironment(), SettingsFrom(options));
}

// What the service manager was not told is worth a line, and nothing more.
void Told(const absl::Status& status) {
  if (!status.ok()) {
    Log(LogSeverity::kWarning, "service manager not told", {{"error", status.message()}});
  }
}

std::string ServingText(Daemon& daemon) {
  return absl::StrCat("serving ", daemon.server().registry().open_regions(), " regions at ",
                      absl::StrJoin(daemon.server().addresses(), ", "));
}

// A configuration with anything wrong in it changes nothing.
void Reload(const Options& options, const ServiceManager& manager, Daemon& daemon) {
  Told(manager.Reloading());
  const absl::StatusOr<LoadedConfig> loaded = Load(options);
  const absl::Status status = loaded.ok() ? daemon.Reload(loaded->config) : loaded.status();
  for (const absl::string_view problem :
       absl::StrSplit(status.message(), '\n', absl::SkipEmpty())) {
    Log(LogSeverity::kError, "configuration refused, nothing was changed", {{"problem", problem}});
  }
  Told(manager.Ready(ServingText(daemon)));
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

// While it opens regions, which can take long.
constexpr absl::Duration kStartStep = absl::Seconds(5);
constexpr absl::Duration kStartGrace = absl::Seconds(30);
// Beyond the drain: syncing and closing every region.
constexpr absl::Duration kCloseGrace = absl::Seconds(60);

absl::StatusOr<std::unique_ptr<Daemon>> Start(const Config& config, const ServiceManager& manager) {
  const Ticker telling(kStartStep,
                       [&manager] { Told(manager.ExtendTimeout(kStartGrace, "opening regions")); });
  return Daemon::Start(config, PosixFileSystem());
}

int Serve(const Options& options, const Config& config) {
  KeepMessageMemory();
  StopLookingForDeadlocks();
  RaiseFileLimit();
  // Before any thread is started, so that all of them leave these signals to sigwait.
  const sigset_t signals = AllSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  StartLogging(SeverityOf(config.log.level),
               config.log.format == LogFormat::kJson ? LogStyle::kJson : LogStyle::kText);

  const ServiceManager manager = ServiceManager::FromEnvironment();
  absl::StatusOr<std::unique_ptr<Daemon>> daemon = Start(config, manager);
  if (!daemon.ok()) {
    std::cerr << "waldend: cannot start: " << daemon.status().message() << "\n";
    return kExitStartFailed;
  }
  Told(manager.Ready(ServingText(**daemon)));
  int received = 0;
  while (sigwait(&signals, &received) == 0 && received == SIGHUP) {
    Reload(options, manager, **daemon);
  }
  Told(manager.Stopping("answering what is under way"));
  Told(manager.ExtendTimeout((*daemon)->config().shutdown.drain_timeout + kCloseGrace,
                             "answering what is under way"));
  std::thread([] {
    const sigset_t stop = StopSignals();
    int again = 0;
    sigwait(&stop, &again);
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

  const absl::StatusOr<LoadedConfig> loaded = Load(options);
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
  return Serve(options, loaded->config);
}

}  // namespace
}  // namespace walden

int main(int argc, char** argv) { return walden::Main(argc, argv); }
