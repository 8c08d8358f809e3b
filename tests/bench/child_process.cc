#include "tests/bench/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/bench/cleanup.h"

namespace walden::bench {

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::vector<std::string>& arguments,
                                                 const std::string& output) {
  if (access(arguments[0].c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat(arguments[0], " is not a program that can be run"));
  }
  const int out = open(output.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (out < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", output));

  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = ForkRegistered([&] {
    const pid_t forked = fork();
    if (forked != 0) return forked;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    RestoreInterrupts();
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  });
  const int fork_errno = errno;
  close(out);
  if (pid < 0) return absl::ErrnoToStatus(fork_errno, "fork");
  return ChildProcess(pid, arguments[0], output);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      name_(std::move(other.name_)),
      output_(std::move(other.output_)),
      ended_(other.ended_),
      wait_status_(other.wait_status_) {}

ChildProcess::~ChildProcess() {
  if (pid_ > 0 && !ended_) Kill();
}

void ChildProcess::Kill() {
  kill(pid_, SIGKILL);
  while (!EndedWithin(absl::Seconds(1))) {
  }
}

bool ChildProcess::EndedWithin(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!ended_) {
    ended_ = ReapChild(pid_, &wait_status_);
    if (ended_ || absl::Now() >= deadline) break;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return ended_;
}

absl::Status ChildProcess::HowItEnded() const {
  const std::string how = WIFSIGNALED(wait_status_)
                              ? absl::StrCat("was killed by signal ", WTERMSIG(wait_status_))
                              : absl::StrCat("ended with exit code ", WEXITSTATUS(wait_status_));
  std::string printed = ReadOutput();
  constexpr size_t kShown = 1000;
  if (printed.size() > kShown)
    printed = absl::StrCat("...", printed.substr(printed.size() - kShown));
  return absl::InternalError(absl::StrCat(name_, " ", how, ", having printed: ", printed));
}

absl::Status ChildProcess::CheckRunning() {
  return EndedWithin(absl::ZeroDuration()) ? HowItEnded() : absl::OkStatus();
}

absl::Status ChildProcess::Wait(absl::Duration timeout) {
  if (!EndedWithin(timeout)) {
    Kill();
    return absl::DeadlineExceededError(
        absl::StrCat(name_, " did not end within ", absl::FormatDuration(timeout)));
  }
  if (WIFEXITED(wait_status_) && WEXITSTATUS(wait_status_) == 0) return absl::OkStatus();
  return HowItEnded();
}

absl::Status ChildProcess::Terminate(absl::Duration timeout) {
  if (ended_) return HowItEnded();
  kill(pid_, SIGTERM);
  if (EndedWithin(timeout)) return absl::OkStatus();
  Kill();
  return absl::DeadlineExceededError(
      absl::StrCat(name_, " did not end within ", absl::FormatDuration(timeout), " of SIGTERM"));
}

std::string ChildProcess::ReadOutput() const {
  std::ifstream file(output_);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

absl::StatusOr<ResidentMemory> ReadResidentMemory(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/status"));
  ResidentMemory memory;
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    double kib = 0;
    if (words.size() < 2 || !absl::SimpleAtod(words[1], &kib)) continue;
    if (words[0] == "VmRSS:") memory.now_mib = kib / 1024;
    if (words[0] == "VmHWM:") memory.peak_mib = kib / 1024;
  }
  if (memory.peak_mib == 0) {
    return absl::NotFoundError(absl::StrCat("process ", pid, " has no memory to look at"));
  }
  return memory;
}

}  // namespace walden::bench
