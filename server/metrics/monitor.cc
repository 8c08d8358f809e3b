#include "server/metrics/monitor.h"

#include <prometheus/text_serializer.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace walden {

Monitor::Monitor(const MonitorOptions& options)
    : collector_(options.collector, &readiness_),
      pages_(options.collector.data_directory, &readiness_) {}

absl::StatusOr<std::unique_ptr<Monitor>> Monitor::Start(const MonitorOptions& options) {
  std::unique_ptr<Monitor> monitor(new Monitor(options));
  if (options.http.listen.empty()) return monitor;
  absl::StatusOr<std::unique_ptr<HttpServer>> http =
      HttpServer::Start(options.http, monitor->Routes());
  if (!http.ok()) return http.status();
  monitor->http_ = *std::move(http);
  return monitor;
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
          {"/readyz", {[this](const HttpRequest&) {
             return HttpResponse{.code = readiness_.ready() ? 200 : 503,
                                 .body = absl::StrCat(readiness_.text(), "\n")};
           }}}};
}

std::vector<std::string> Monitor::addresses() const {
  return http_ == nullptr ? std::vector<std::string>() : http_->addresses();
}

}  // namespace walden
