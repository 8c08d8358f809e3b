// Metrics, health and readiness over HTTP, from the start of a daemon to its end.
//
//   /             the status page, which asks for /status.json (docs/operators/status_page.md)
//   /metrics   for Prometheus (docs/operators/metrics.md)
//   /healthz   200 while the process lives: also while regions are opened and calls are drained
//   /readyz    200 while calls are served, otherwise 503 with the reason as text; both with one
// line              for each problem, such as a namespace that is not served
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/metrics/collector.h"
#include "server/net/http_server.h"
#include "server/observation/server_observation.h"
#include "server/status/readiness.h"
#include "server/status/status_pages.h"

namespace walden {

struct MonitorOptions {
  HttpServerOptions http;  // nowhere to listen: nothing is served
  CollectorOptions collector;
};

// Any thread may use it.
class Monitor {
 public:
  // Serves no figures until Attach, and is not ready until `readiness` says so.
  explicit Monitor(const MonitorOptions& options);

  // Begins to serve. An error names the address that cannot be listened on. May be called again.
  absl::Status Listen() ABSL_LOCKS_EXCLUDED(mutex_);

  // At most once. The sources must outlive the monitor.
  void Attach(const Collector::Sources& sources) ABSL_LOCKS_EXCLUDED(mutex_);

  Readiness& readiness() { return readiness_; }

  // With the ports that were found for port 0.
  std::vector<std::string> addresses() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  HttpServer::Routes Routes();
  // The state that /readyz reports.
  HttpResponse Ready() const ABSL_LOCKS_EXCLUDED(mutex_);

  const HttpServerOptions http_options_;
  Readiness readiness_;
  Collector collector_;
  StatusPages pages_;
  mutable absl::Mutex mutex_;
  const ServerObservation* server_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::unique_ptr<HttpServer> http_ ABSL_GUARDED_BY(mutex_);  // goes first
};

}  // namespace walden
