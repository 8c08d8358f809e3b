#include "engine/io/guarded_copy.h"

#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <cstring>

namespace walden {
namespace {

// The place to which the handler returns while this thread copies; null otherwise.
thread_local sigjmp_buf* volatile copying = nullptr;

struct sigaction previous_action;

void OnBusError(int signal, siginfo_t* info, void* context) {
  if (copying != nullptr) siglongjmp(*copying, 1);
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
  } else {
    // The signal is not from a guarded copy: the process dies as it would without this handler.
    ::signal(signal, SIG_DFL);
    raise(signal);
  }
}

bool InstallHandler() {
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  // SA_NODEFER, since the handler leaves by siglongjmp and the signal must not stay blocked.
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  return sigaction(SIGBUS, &action, &previous_action) == 0;
}

}  // namespace

bool GuardedCopy(char* to, const char* from, size_t length) {
  static const bool installed = InstallHandler();
  if (!installed) return false;
  sigjmp_buf point;
  if (sigsetjmp(point, /*savesigs=*/0) != 0) {
    copying = nullptr;
    return false;
  }
  copying = &point;
  // The compiler must not copy before or after the handler knows where to return to.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(to, from, length);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  copying = nullptr;
  return true;
}

}  // namespace walden
