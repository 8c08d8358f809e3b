#include "tests/bench/cleanup.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace walden::bench {
namespace {

struct Registry {
  absl::Mutex mutex;
  std::set<pid_t> children ABSL_GUARDED_BY(mutex);
  std::string directory ABSL_GUARDED_BY(mutex);
};

Registry& GetRegistry() {
  static Registry* const registry = new Registry;
  return *registry;
}

sigset_t InterruptSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  return signals;
}

void RemoveTree(const std::string& directory) {
  // More than once: the interrupted main thread may still be writing there.
  std::error_code error;
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::filesystem::remove_all(directory, error);
    if (!std::filesystem::exists(directory, error)) return;
    usleep(10'000);
  }
}

[[noreturn]] void CleanUpAndExit(int signal_number) {
  Registry& registry = GetRegistry();
  // Kept until the end of the process: nobody starts another child.
  registry.mutex.Lock();
  for (pid_t child : registry.children) kill(child, SIGKILL);
  for (pid_t child : registry.children) waitpid(child, nullptr, 0);
  if (!registry.directory.empty()) RemoveTree(registry.directory);
  _exit(128 + signal_number);
}

}  // namespace

void HandleInterrupts() {
  const sigset_t signals = InterruptSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int number = 0;
    while (sigwait(&signals, &number) != 0) {
    }
    CleanUpAndExit(number);
  }).detach();
}

void RestoreInterrupts() {
  const sigset_t signals = InterruptSignals();
  sigprocmask(SIG_UNBLOCK, &signals, nullptr);
}

absl::StatusOr<std::string> CreateRunDirectory(const std::string& parent) {
  Registry& registry = GetRegistry();
  std::string path = absl::StrCat(parent, "/walden-bench-XXXXXX");
  absl::MutexLock lock(&registry.mutex);
  if (mkdtemp(path.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make a folder in ", parent));
  }
  registry.directory = path;
  return path;
}

void RemoveRunDirectory() {
  Registry& registry = GetRegistry();
  absl::MutexLock lock(&registry.mutex);
  if (registry.directory.empty()) return;
  RemoveTree(registry.directory);
  registry.directory.clear();
}

pid_t ForkRegistered(absl::FunctionRef<pid_t()> fork) {
  Registry& registry = GetRegistry();
  absl::MutexLock lock(&registry.mutex);
  const pid_t pid = fork();
  if (pid > 0) registry.children.insert(pid);
  return pid;
}

bool ReapChild(pid_t pid, int* wait_status) {
  Registry& registry = GetRegistry();
  absl::MutexLock lock(&registry.mutex);
  if (waitpid(pid, wait_status, WNOHANG) == 0) return false;
  registry.children.erase(pid);
  return true;
}

}  // namespace walden::bench
