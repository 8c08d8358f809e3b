// What watches a daemon from its start to its end: metrics, health and readiness over HTTP.
//
//   /             the status page, which asks for /status.json (docs/status_page.md)
//   /metrics   for Prometheus (docs/metrics.md)
//   /healthz   200 while the process lives: also while regions are opened and calls are drained
//   /readyz    200 while calls are served, otherwise 503 with the reason as text
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/metrics/collector.h"
#include "server/metrics/http_server.h"
#include "server/metrics/readiness.h"
#include "server/metrics/status_pages.h"
#include "server/walden_server.h"

namespace walden {

struct MonitorOptions {
  HttpServerOptions http;  // nowhere to listen: nothing is served
  CollectorOptions collector;
};

// Any thread may use it.
class Monitor {
 public:
  // Serves at once: not ready, and with nothing to look at yet.
  static absl::StatusOr<std::unique_ptr<Monitor>> Start(const MonitorOptions& options);

  // Once. What is looked at must outlive the monitor.
  void Attach(const Collector::Sources& sources) {
    collector_.Attach(sources);
    pages_.Attach(sources.server, sources.disk);
  }

  Readiness& readiness() { return readiness_; }

  // With the ports that were found for port 0.
  std::vector<std::string> addresses() const;

 private:
  explicit Monitor(const MonitorOptions& options);

  HttpServer::Routes Routes();

  Readiness readiness_;
  Collector collector_;
  StatusPages pages_;
  std::unique_ptr<HttpServer> http_;  // goes first
};

}  // namespace walden
