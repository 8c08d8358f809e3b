// The status page and its figures over HTTP: `/` and `/status.json`.
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
  // The directory's file system is looked at; none if it is empty. `readiness` outlives it.
  StatusPages(std::string data_directory, const Readiness* readiness)
      : data_directory_(std::move(data_directory)), readiness_(readiness) {}

  // Once. From now on there is something to show; both outlive every later call. `disk` knows the
  // reserve and may be null.
  void Attach(const ServerObservation* server, const DiskSpace* disk) ABSL_LOCKS_EXCLUDED(mutex_);

  // Constant: quick.
  static HttpResponse Page();

  // 400 or 404 with a text that says what is wrong with the query; 503 while there is nothing to
  // show. May look at the disk: slow.
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
