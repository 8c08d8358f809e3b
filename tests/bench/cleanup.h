// Leaves nothing behind: the run's folder and its child processes go when it ends, and when it is
// interrupted.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace walden::bench {

// From now on SIGINT, SIGTERM and SIGHUP kill the registered children, remove the run's folder and
// end the process. Call it once, in main, before any other thread exists.
void HandleInterrupts();

// Lets a child that is about to be exec'ed be interrupted again. Async-signal-safe.
void RestoreInterrupts();

// Makes the run's folder below `parent`. Removed by RemoveRunDirectory or an interrupt.
absl::StatusOr<std::string> CreateRunDirectory(const std::string& parent);
void RemoveRunDirectory();

// Runs `fork`, which returns the child's pid or -1, and remembers the child until ReapChild says
// that it ended.
pid_t ForkRegistered(absl::FunctionRef<pid_t()> fork);

// Any registered child of this process. True, with its wait status, if it has ended.
bool ReapChild(pid_t pid, int* wait_status);

}  // namespace walden::bench
