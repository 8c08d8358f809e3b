// A small HTTP server for metrics, probes and the status page.
//
// One thread reads, writes and runs the quick handlers, so that a liveness probe never waits for a
// scrape. A second thread runs the slow handlers, one at a time. A connection serves one request
// and has a deadline for each of its phases. When too many connections are open, a new one replaces
// the one that has been silent for longest. So clients cannot use more than two threads and a
// bounded number of connections (docs/decisions/0006-metrics-port.md).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/net/descriptor.h"
#include "server/net/host_names.h"
#include "server/net/http_message.h"
#include "server/net/listening_socket.h"

namespace walden {

struct HttpServerOptions {
  std::vector<std::string> listen;  // host:port or [v6]:port; port 0 takes a free one
  std::vector<std::string> hosts;   // names that requests may use, beside those of HostNames
  size_t max_connections = 64;
  size_t max_request_bytes = size_t{8} << 10;           // beyond it: 431
  absl::Duration request_timeout = absl::Seconds(5);    // from connecting to the whole request
  absl::Duration response_timeout = absl::Seconds(10);  // for the client to take the answer
};

class HttpServer {
 public:
  // Called by one thread at a time.
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  enum class Speed {
    kQuick,  // must not block, nor take longer than a moment
    kSlow,
  };
  struct Route {
    Handler handler;
    Speed speed = Speed::kQuick;
  };
  using Routes = std::map<std::string, Route>;  // by path, exactly

  // Listens and serves until it is destroyed. The error says which address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerOptions options,
                                                           Routes routes);
  ~HttpServer();

  // With the ports that were found for port 0.
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  enum class Phase { kReading, kWorking, kWriting, kLingering };

  struct Connection {
    Descriptor socket;
    Phase phase = Phase::kReading;
    absl::Duration deadline;  // by Clock::Real()
    std::string received;
    std::string response;
    size_t sent = 0;
    size_t discarded = 0;
  };
  using Connections = std::map<uint64_t, Connection>;  // by number, in the order they came

  struct Work {
    uint64_t connection = 0;
    const Route* route = nullptr;
    HttpRequest request;
  };
  struct Done {
    uint64_t connection = 0;
    std::string response;
  };

  HttpServer(HttpServerOptions options, Routes routes);

  // --- The thread that reads and writes. ---
  void Run();
  int WaitForWork();          // the time to poll for, in milliseconds
  bool Accept(int listener);  // false when nobody waits any more
  void MakeRoom();
  void CloseOverdue();
  void TakeDone();
  // Each advances a connection, and returns false when it has ended.
  bool Advance(uint64_t id, Connection& connection);
  bool Read(uint64_t id, Connection& connection);
  bool Write(Connection& connection);
  bool Linger(Connection& connection);
  bool Respond(Connection& connection, std::string response);
  bool Handle(uint64_t id, Connection& connection);
  void Forget(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_);

  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !work_.empty(); }
  void RunWorker() ABSL_LOCKS_EXCLUDED(mutex_);
  void Wake();

  const HttpServerOptions options_;
  const HostNames host_names_;
  const Routes routes_;
  std::vector<std::unique_ptr<ListeningSocket>> listeners_;
  std::vector<std::string> addresses_;
  Descriptor wakeup_;  // an eventfd

  // Of the thread that reads and writes.
  Connections connections_;
  uint64_t next_id_ = 0;
  absl::Duration accept_again_;  // not before this, while too many files are open

  absl::Mutex mutex_;
  std::deque<Work> work_ ABSL_GUARDED_BY(mutex_);
  std::vector<Done> done_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread loop_;
  std::thread worker_;
};

}  // namespace walden
