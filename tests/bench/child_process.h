// Programs that the benchmark starts: the daemon, the null server, and itself in another role.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace walden::bench {

// A child process; it dies with this one, and with this object. Start it from the main thread. One
// thread.
class ChildProcess {
 public:
  // `arguments[0]` is the program's path. What it prints goes to the file `output`.
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& arguments,
                                            const std::string& output);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  pid_t pid() const { return pid_; }

  // OK while it runs; afterwards how it ended, with the end of what it printed.
  absl::Status CheckRunning();

  // Waits until it ends by itself; an exit code other than 0 is an error.
  absl::Status Wait(absl::Duration timeout);

  // SIGTERM, and SIGKILL when that does not help in time, which is an error.
  absl::Status Terminate(absl::Duration timeout);

  std::string ReadOutput() const;

 private:
  ChildProcess(pid_t pid, std::string name, std::string output)
      : pid_(pid), name_(std::move(name)), output_(std::move(output)) {}

  bool EndedWithin(absl::Duration timeout);
  void Kill();
  absl::Status HowItEnded() const;

  pid_t pid_;
  std::string name_;
  std::string output_;
  bool ended_ = false;
  int wait_status_ = 0;
};

// Resident memory of a process.
struct ResidentMemory {
  double now_mib = 0;   // VmRSS
  double peak_mib = 0;  // VmHWM
};
absl::StatusOr<ResidentMemory> ReadResidentMemory(pid_t pid);

}  // namespace walden::bench
