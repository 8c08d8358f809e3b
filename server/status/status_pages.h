// Answers HTTP requests for the status page (`/`) and its figures (`/status.json`).
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/disk_space.h"
#include "server/net/http_message.h"
#include "server/observation/server_observation.h"
#include "server/status/readiness.h"
#include "server/status/status_json.h"

namespace walden {

// Any thread may use it.
class StatusPages {
 public:
  // Reports the disk of the directory, or none if it is empty. `readiness` outlives this object.
  StatusPages(std::string data_directory, const Readiness* readiness)
      : data_directory_(std::move(data_directory)), readiness_(readiness) {}

  // Sets the server whose figures are shown. At most once. Both outlive every later call. `disk`
  // has the reserve and may be null.
  void Attach(const ServerObservation* server, const DiskSpace* disk) ABSL_LOCKS_EXCLUDED(mutex_);

  // The page, which is constant. Quick.
  static HttpResponse Page();

  // The figures. 400 or 404 with a text about the error in the query; 503 before Attach and after
  // the server stopped. May ask the disk, so it is slow.
  HttpResponse Status(const HttpRequest& request) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  StatusJson::Sources Sources(const DiskSpace* disk) const;

  const std::string data_directory_;
  const Readiness* const readiness_;
  absl::Mutex mutex_;
  const ServerObservation* server_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::unique_ptr<StatusJson> json_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
