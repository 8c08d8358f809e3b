// waldend: the daemon's command line.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "base/ticker.h"
#include "config/loader.h"
#include "config/print_config.h"
#include "engine/io/posix_file_system.h"
#include "server/daemon/command_line.h"
#include "server/daemon/daemon.h"
#include "server/daemon/data_directory.h"
#include "server/daemon/options_from_config.h"
#include "server/daemon/service_manager.h"
#include "server/daemon/start_check.h"
#include "server/log/logging.h"
#include "server/security/network_exposure_check.h"

namespace walden {
namespace {

enum ExitCode : int {
  kExitOk = 0,
  kExitStartFailed = 1,
  kExitBadUsage = 2,
  kExitBadConfig = 3,
  kExitStopFailed = 4,
};

using Options = CommandLineOptions;

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

// Logs a failed notification of the service manager and otherwise ignores it.
void LogIfFailed(const absl::Status& status) {
  if (!status.ok()) {
    Log(LogSeverity::kWarning, "service manager not notified", {{"error", status.message()}});
  }
}

// A configuration with an error changes nothing.
void Reload(const Options& options, const ServiceManager& manager, Daemon& daemon) {
  LogIfFailed(manager.Reloading());
  const absl::StatusOr<LoadedConfig> loaded = Load(options);
  const absl::Status status = loaded.ok() ? daemon.Reload(loaded->config) : loaded.status();
  for (const absl::string_view problem :
       absl::StrSplit(status.message(), '\n', absl::SkipEmpty())) {
    Log(LogSeverity::kError, "configuration refused, nothing was changed", {{"problem", problem}});
  }
  LogIfFailed(manager.Ready(daemon.ServingText()));
}

// The daemon often allocates and frees messages of some hundred KiB. By default glibc maps and
// unmaps each of them, or returns the top of the heap and takes it again. Both cost more than the
// copying.
void KeepMessageMemory() {
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

// Raises the soft limit of open files to the hard limit. Every open region holds a few files, and
// shells and containers commonly set a low soft limit.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    std::cerr << "waldend: cannot raise the limit of open files, the present one stays: "
              << std::strerror(errno) << "\n";
  }
}

// Debian builds Abseil with detection of lock cycles, which takes a global lock at every lock.
// Tests keep the detection on.
void StopLookingForDeadlocks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

// Beyond the drain: syncing and closing every region.
constexpr absl::Duration kCloseGrace = absl::Seconds(60);

// Ends the process at a second signal, or when stopping takes too long. Its thread is started
// early, because the system may be short of threads when the process stops.
class Stopper {
 public:
  Stopper() : thread_([this] { Run(); }) { thread_.detach(); }

  // The process has this long to stop.
  void Begin(absl::Duration longest) {
    longest_ = longest;
    begun_.Notify();
  }

 private:
  void Run() {
    begun_.WaitForNotification();
    const timespec longest = absl::ToTimespec(longest_);
    const sigset_t stop = StopSignals();
    const int again = sigtimedwait(&stop, nullptr, &longest);
    if (again > 0) _exit(128 + again);
    std::cerr << "waldend: did not stop within " << absl::FormatDuration(longest_)
              << ": ending without having closed every region\n";
    _exit(kExitStopFailed);
  }

  absl::Duration longest_;
  absl::Notification begun_;
  std::thread thread_;
};

// While it opens namespaces, which can take long.
constexpr absl::Duration kStartStep = absl::Seconds(5);
constexpr absl::Duration kStartGrace = absl::Seconds(30);
constexpr absl::Duration kStartPoll = absl::Milliseconds(20);

// Waits until every namespace is open or has failed. Returns the stop signal that came meanwhile,
// or 0.
int AwaitStart(const Options& options, const ServiceManager& manager, Daemon& daemon) {
  const Ticker telling(kStartStep, [&manager] {
    LogIfFailed(manager.ExtendTimeout(kStartGrace, "opening namespaces"));
  });
  const sigset_t signals = AllSignals();
  constexpr timespec kNow{};
  while (!daemon.AwaitNamespaces(kStartPoll)) {
    const int received = sigtimedwait(&signals, nullptr, &kNow);
    if (received == SIGHUP) Reload(options, manager, daemon);
    if (received > 0 && received != SIGHUP) return received;
  }
  return 0;
}

[[noreturn]] void FailStart(const absl::Status& why) {
  std::cerr << "waldend: cannot start: " << why.message() << "\n";
  // Skips the destructors of globals, which remaining threads of gRPC may still use.
  _exit(kExitStartFailed);
}

int Serve(const Options& options, const Config& config) {
  KeepMessageMemory();
  StopLookingForDeadlocks();
  RaiseFileLimit();
  // Before any thread is started, so that all threads leave these signals to sigwait.
  const sigset_t signals = AllSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // A write beyond the limit of a file's size is an error like any other.
  signal(SIGXFSZ, SIG_IGN);
  StartLogging(SeverityOf(config.log.level),
               config.log.format == LogFormat::kJson ? LogStyle::kJson : LogStyle::kText);

  const ServiceManager manager = ServiceManager::FromEnvironment();
  Stopper stopper;
  absl::StatusOr<std::unique_ptr<Daemon>> daemon =
      Daemon::Start(config, PosixFileSystem(AccessFor(config.data_group)));
  if (!daemon.ok()) FailStart(daemon.status());
  int received = AwaitStart(options, manager, **daemon);
  if (received == 0) {
    if (absl::Status status = (*daemon)->FinishStart(); !status.ok()) {
      daemon->reset();
      FailStart(status);
    }
    LogIfFailed(manager.Ready((*daemon)->ServingText()));
    while (sigwait(&signals, &received) == 0 && received == SIGHUP) {
      Reload(options, manager, **daemon);
    }
  }
  LogIfFailed(manager.Stopping("answering what is under way"));
  LogIfFailed(manager.ExtendTimeout((*daemon)->config().shutdown.drain_timeout + kCloseGrace,
                                    "answering what is under way"));
  stopper.Begin((*daemon)->config().shutdown.drain_timeout + kCloseGrace);
  const absl::Status stopped = (*daemon)->Stop();
  const int code = stopped.ok() ? kExitOk : kExitStopFailed;
  // Calls and regions that did not end in time would not end now.
  if (!absl::IsDeadlineExceeded(stopped)) daemon->reset();
  // Skips the destructors of globals, which remaining threads of gRPC may still use.
  _exit(code);
}

int Check(const Config& config) {
  StartLogging(LogSeverity::kError, LogStyle::kText);
  const StartCheck found = CheckStart(config);
  for (const std::string& problem : found.refused) std::cerr << "waldend: " << problem << "\n";
  for (const std::string& problem : found.worked_around) {
    std::cerr << "waldend: warning: " << problem << "\n";
  }
  if (!found.refused.empty()) return kExitBadConfig;
  std::cout << "The configuration is good.\n";
  return kExitOk;
}

int Main(int argc, char** argv) {
  Options options;
  bool wrong_use = false;
  if (!ParseCommandLine(argc, argv, options, wrong_use)) {
    return wrong_use ? kExitBadUsage : kExitOk;
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
  if (options.check_config) return Check(loaded->config);
  if (const absl::Status exposure = CheckNetworkExposure(loaded->config); !exposure.ok()) {
    std::cerr << "waldend: " << exposure.message() << "\n";
    return kExitBadConfig;
  }
  return Serve(options, loaded->config);
}

}  // namespace
}  // namespace walden

int main(int argc, char** argv) { return walden::Main(argc, argv); }
