#include "server/status/status_pages.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/io/posix_file_system.h"
#include "server/log/recent_events.h"
#include "server/status/status_page.h"

namespace walden {
namespace {

// The policy of the page itself, and no other site may frame it.
constexpr char kPagePolicy[] =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

HttpResponse Refusal(const absl::Status& status) {
  return {.code = absl::IsNotFound(status) ? 404 : 400,
          .body = absl::StrCat(status.message(), "\n")};
}

}  // namespace

void StatusPages::Attach(const ServerObservation* server, const DiskSpace* disk) {
  absl::MutexLock lock(&mutex_);
  server_ = server;
  json_ = std::make_unique<StatusJson>(*server, Sources(disk));
}

HttpResponse StatusPages::Page() {
  return {.content_type = "text/html; charset=utf-8",
          .content_security_policy = kPagePolicy,
          .body = std::string(StatusPageHtml())};
}

HttpResponse StatusPages::Status(const HttpRequest& request) {
  absl::MutexLock lock(&mutex_);
  HttpResponse response{.code = 503, .body = absl::StrCat(readiness_->text(), "\n")};
  if (server_ == nullptr) return response;
  server_->registry.With([&, json = json_.get()](const RegionRegistry& registry) {
    const auto selected = ParseStatusQuery(registry.namespaces(), request.query);
    if (!selected.ok()) {
      response = Refusal(selected.status());
      return;
    }
    response = {.content_type = "application/json", .body = json->Make(registry, *selected)};
  });
  return response;
}

StatusJson::Sources StatusPages::Sources(const DiskSpace* disk) const {
  StatusJson::Sources sources;
  sources.readiness = [this] {
    return readiness_->ready() ? absl::OkStatus() : absl::UnavailableError(readiness_->text());
  };
  sources.events = RecentEvents::OfProcess();
  if (!data_directory_.empty()) {
    sources.disk = [this, disk] {
      StatusJson::Disk shown{.path = data_directory_,
                             .free_bytes = PosixFileSystem()->FreeBytes(data_directory_)};
      const auto total = PosixFileSystem()->TotalBytes(data_directory_);
      if (total.ok()) shown.total_bytes = *total;
      if (disk != nullptr) shown.reserve_bytes = disk->reserve_bytes();
      return shown;
    };
  }
  return sources;
}

}  // namespace walden
