#include "cli/console/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "cli/console/exit_code.h"

namespace walden::cli {
namespace {

void Set(int event_fd) {
  const uint64_t one = 1;
  (void)!write(event_fd, &one, sizeof one);
}

}  // namespace

Interrupt::Interrupt() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  requested_fd_ = eventfd(0, EFD_CLOEXEC);
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  if (signal_fd_ < 0 || requested_fd_ < 0 || stop_fd_ < 0) {
    std::perror("walden: cannot watch for signals");
    std::exit(static_cast<int>(ExitCode::kOther));
  }
  watcher_ = std::thread([this] { Watch(); });
}

Interrupt::~Interrupt() {
  Set(stop_fd_);
  watcher_.join();
  close(signal_fd_);
  close(requested_fd_);
  close(stop_fd_);
}

bool Interrupt::Sleep(absl::Duration duration) const {
  pollfd waiting{requested_fd_, POLLIN, 0};
  return poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(duration))) == 0;
}

void Interrupt::Watch() {
  pollfd waiting[] = {{signal_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
  for (;;) {
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if ((waiting[1].revents & POLLIN) != 0) return;
    if ((waiting[0].revents & POLLIN) == 0) continue;
    signalfd_siginfo info;
    if (read(signal_fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) continue;
    if (requested_.exchange(true)) _exit(static_cast<int>(ExitCode::kInterrupted));
    Set(requested_fd_);
    absl::MutexLock lock(&mutex_);
    for (grpc::ClientContext* call : calls_) call->TryCancel();
  }
}

Interrupt::Cancels::Cancels(Interrupt& interrupt, grpc::ClientContext& context)
    : interrupt_(interrupt), context_(context) {
  absl::MutexLock lock(&interrupt_.mutex_);
  interrupt_.calls_.insert(&context_);
  if (interrupt_.requested()) context_.TryCancel();
}

Interrupt::Cancels::~Cancels() {
  absl::MutexLock lock(&interrupt_.mutex_);
  interrupt_.calls_.erase(&context_);
}

}  // namespace walden::cli
