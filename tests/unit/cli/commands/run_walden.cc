#include "tests/unit/cli/commands/run_walden.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

namespace walden::cli {
namespace {

void CloseOnce(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

// Appends what can be read now. False at the end.
bool ReadSome(int fd, std::string& to) {
  char bytes[65536];
  const ssize_t got = read(fd, bytes, sizeof bytes);
  if (got <= 0) return false;
  to.append(bytes, static_cast<size_t>(got));
  return true;
}

}  // namespace

WaldenProcess::WaldenProcess(const std::vector<std::string>& arguments,
                             const std::vector<std::string>& environment) {
  int in[2], out[2], err[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    std::abort();
  }
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 2);
  argv.push_back(const_cast<char*>(WALDEN_BINARY));
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> envp;
  envp.reserve(environment.size() + 1);
  for (const std::string& variable : environment) {
    envp.push_back(const_cast<char*>(variable.c_str()));
  }
  envp.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    execve(WALDEN_BINARY, argv.data(), envp.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  in_ = in[1];
  out_ = out[0];
  err_ = err[0];
}

WaldenProcess::~WaldenProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  CloseOnce(in_);
  CloseOnce(out_);
  CloseOnce(err_);
}

void WaldenProcess::Feed(const std::string& input) {
  for (size_t done = 0; done < input.size();) {
    const ssize_t written = write(in_, input.data() + done, input.size() - done);
    if (written < 0) return;  // it ended before it read everything
    done += static_cast<size_t>(written);
  }
}

void WaldenProcess::CloseInput() { CloseOnce(in_); }
void WaldenProcess::CloseOutput() { CloseOnce(out_); }
void WaldenProcess::Signal(int signal_number) { kill(pid_, signal_number); }

bool WaldenProcess::WaitForOutput(const std::string& text) {
  while (seen_.find(text) == std::string::npos) {
    if (!ReadSome(out_, seen_)) return false;
  }
  return true;
}

bool WaldenProcess::WaitForError(const std::string& text) {
  while (seen_errors_.find(text) == std::string::npos) {
    if (!ReadSome(err_, seen_errors_)) return false;
  }
  return true;
}

Outcome WaldenProcess::Wait() {
  Outcome outcome;
  outcome.out = std::move(seen_);
  outcome.err = std::move(seen_errors_);
  while (out_ >= 0 || err_ >= 0) {
    pollfd waiting[] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
    (void)poll(waiting, 2, -1);
    if (waiting[0].revents != 0 && !ReadSome(out_, outcome.out)) CloseOnce(out_);
    if (waiting[1].revents != 0 && !ReadSome(err_, outcome.err)) CloseOnce(err_);
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

Outcome RunWalden(const std::vector<std::string>& arguments, const std::string& input) {
  (void)signal(SIGPIPE, SIG_IGN);
  WaldenProcess process(arguments);
  std::thread feeder([&] {
    process.Feed(input);
    process.CloseInput();
  });
  Outcome outcome = process.Wait();
  feeder.join();
  return outcome;
}

}  // namespace walden::cli
