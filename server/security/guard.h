// The TLS certificates and identities of a daemon, which are loaded again when their files change.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/ticker.h"
#include "config/config.h"
#include "server/security/file_watch.h"
#include "server/security/identities_in_use.h"
#include "server/security/security_state.h"
#include "server/security/tls.h"

namespace walden {

// Must outlive the server that uses it.
class Guard {
 public:
  // Loads the files that the configuration names. Errors name the field or file, and the problem.
  // Writes a log line about each load, here and later.
  static absl::StatusOr<std::unique_ptr<Guard>> Start(const Config& config);
  ~Guard();

  // Loads the files again. Files that cannot be used leave what is loaded as it is. Returns the
  // first error. Any thread.
  absl::Status Reload() ABSL_LOCKS_EXCLUDED(mutex_);

  // Starts to check the files every second, and loads a changed file once it did not change for a
  // second. After identities or rights changed, here or by Reload, `access_changed` is called. At
  // most once.
  void Watch(std::function<void()> access_changed);
  // `access_changed` is not called after this.
  void StopWatching();

  // Null if there are none.
  const AccessControl* access() const { return identities_.get(); }
  // Limits of each identity, by name.
  std::map<std::string, IdentityLimits> limits() const {
    return identities_ == nullptr ? std::map<std::string, IdentityLimits>() : identities_->limits();
  }
  TlsCertificates* tls() const { return tls_.get(); }

  const SecurityState& state() const { return state_; }

 private:
  Guard() = default;

  absl::Status ReloadCertificates() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ReloadIdentities() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LogCertificates();
  void LogIdentities();
  void Look() ABSL_LOCKS_EXCLUDED(mutex_);

  std::unique_ptr<TlsCertificates> tls_;
  std::unique_ptr<IdentitiesInUse> identities_;
  SecurityState state_;

  absl::Mutex mutex_;  // one load at a time
  std::unique_ptr<FileWatch> certificate_files_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<FileWatch> identities_file_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> access_changed_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Ticker> ticker_;
};

}  // namespace walden
