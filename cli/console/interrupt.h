// Ctrl-C and SIGTERM, taken in one thread and turned into something that waits can see.
#pragma once

#include <atomic>
#include <set>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"

namespace walden::cli {

// Make one before any other thread starts: it blocks SIGINT and SIGTERM for the whole process. The
// first signal sets requested(), makes fd() readable and cancels every call that is registered; a
// second one ends the process at once with exit code 130. All methods are safe from any thread.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool requested() const { return requested_.load(); }

  // Readable from the first signal on. For poll(2).
  int fd() const { return requested_fd_; }

  // Returns early, with false, when interrupted.
  bool Sleep(absl::Duration duration) const;

  // While it lives, a signal cancels the call.
  class Cancels {
   public:
    Cancels(Interrupt& interrupt, grpc::ClientContext& context);
    ~Cancels();
    Cancels(const Cancels&) = delete;
    Cancels& operator=(const Cancels&) = delete;

   private:
    Interrupt& interrupt_;
    grpc::ClientContext& context_;
  };

 private:
  void Watch();

  int signal_fd_ = -1;
  int requested_fd_ = -1;
  int stop_fd_ = -1;
  std::atomic<bool> requested_ = false;
  absl::Mutex mutex_;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
  std::thread watcher_;
};

}  // namespace walden::cli
