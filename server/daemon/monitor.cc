#include "server/daemon/monitor.h"

#include <prometheus/text_serializer.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace walden {

Monitor::Monitor(const MonitorOptions& options)
    : http_options_(options.http),
      collector_(options.collector, &readiness_),
      pages_(options.collector.data_directory, &readiness_) {}

absl::Status Monitor::Listen() {
  if (http_options_.listen.empty() || !addresses().empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<HttpServer>> http = HttpServer::Start(http_options_, Routes());
  if (!http.ok()) return http.status();
  absl::MutexLock lock(&mutex_);
  http_ = *std::move(http);
  return absl::OkStatus();
}

void Monitor::Attach(const Collector::Sources& sources) {
  collector_.Attach(sources);
  pages_.Attach(sources.server, sources.disk);
  absl::MutexLock lock(&mutex_);
  server_ = sources.server;
}

HttpResponse Monitor::Ready() const {
  HttpResponse response{.code = readiness_.ready() ? 200 : 503,
                        .body = absl::StrCat(readiness_.text(), "\n")};
  const ServerObservation* server = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    server = server_;
  }
  if (server == nullptr) return response;
  server->registry.With([&response](const RegionRegistry& registry) {
    const NamespaceSet& namespaces = registry.namespaces();
    for (const auto& [id, why] : registry.NamespaceFailures()) {
      absl::StrAppend(&response.body, "namespace ", namespaces.Find(id)->name,
                      " is not served: ", why.message(), "\n");
    }
    const StartProgress progress = registry.start_progress();
    if (progress.namespaces_to_open > 0) {
      absl::StrAppend(&response.body, progress.namespaces_to_open,
                      " namespaces are still being opened\n");
    }
    if (progress.regions_to_scan > 0) {
      absl::StrAppend(&response.body, progress.regions_to_scan,
                      " regions are still to be scanned\n");
    }
    for (const std::string& name : namespaces.unconfigured()) {
      absl::StrAppend(&response.body, "directory ", name,
                      " holds data of a namespace that is not configured\n");
    }
  });
  return response;
}

HttpServer::Routes Monitor::Routes() {
  return {{"/", {[](const HttpRequest&) { return StatusPages::Page(); }}},
          {"/status.json",
           {[this](const HttpRequest& request) { return pages_.Status(request); },
            HttpServer::Speed::kSlow}},
          {"/metrics",
           {[this](const HttpRequest&) {
              return HttpResponse{
                  .content_type = "text/plain; version=0.0.4; charset=utf-8",
                  .body = prometheus::TextSerializer().Serialize(collector_.Collect())};
            },
            HttpServer::Speed::kSlow}},
          {"/healthz", {[](const HttpRequest&) { return HttpResponse{.body = "alive\n"}; }}},
          {"/readyz", {[this](const HttpRequest&) { return Ready(); }}}};
}

std::vector<std::string> Monitor::addresses() const {
  absl::MutexLock lock(&mutex_);
  return http_ == nullptr ? std::vector<std::string>() : http_->addresses();
}

}  // namespace walden
