// Accepts connections on the listening sockets and hands them to gRPC, which has no limit of its
// own on their number.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/net/listening_socket.h"

namespace walden {

// Closes a connection beyond the limit at once, so that its client sees an error. When the process
// has no more file descriptors, connections wait until there is one.
class ConnectionAcceptor {
 public:
  // Receives the descriptor of a new connection, and owns it.
  using HandOver = std::function<void(int descriptor)>;
  // Receives the number of connections refused since its last call, and the cause of the last
  // refusal. The number is 0 if connections only wait. Called at most once in ten seconds.
  using OnRefused = std::function<void(uint64_t connections, const absl::Status& why)>;

  // `max_connections` 0: no limit.
  ConnectionAcceptor(uint64_t max_connections, OnRefused on_refused);
  ~ConnectionAcceptor();  // stops

  // Before Start.
  void Add(std::unique_ptr<ListeningSocket> socket, HandOver hand_over);

  absl::Status Start();

  // Stops accepting connections and closes the listening sockets. Once it returned no connection is
  // handed over.
  void Stop();

  // --- Any thread ---

  void set_max_connections(uint64_t limit) { max_connections_.store(limit); }
  uint64_t max_connections() const { return max_connections_.load(); }
  uint64_t open_connections() const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t refused_connections() const { return refused_.load(std::memory_order_relaxed); }

 private:
  struct Door {
    std::unique_ptr<ListeningSocket> socket;
    HandOver hand_over;
  };
  // A connection that was handed over. gRPC closes its descriptor, whose number may then be reused
  // for another file; the inode shows that.
  struct HandedOver {
    int descriptor = -1;
    ino_t inode = 0;
  };

  void Run();
  void AcceptOne(const Door& door);
  bool HasRoom() ABSL_LOCKS_EXCLUDED(mutex_);
  void ForgetClosed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(const absl::Status& why);
  // Returns early when it is stopping.
  void WaitFor(absl::Duration time) const;

  const OnRefused on_refused_;
  std::atomic<uint64_t> max_connections_;
  std::atomic<uint64_t> refused_{0};
  std::vector<Door> doors_;
  int stop_event_ = -1;
  std::thread thread_;

  // Only the accepting thread uses these.
  uint64_t told_refused_ = 0;
  absl::Time last_count_ = absl::InfinitePast();
  absl::Time last_told_ = absl::InfinitePast();

  mutable absl::Mutex mutex_;
  // Closed connections are removed when the open ones are counted.
  mutable std::vector<HandedOver> connections_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
