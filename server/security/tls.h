// TLS for the daemon's ports, with certificates that change while it serves.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "config/config.h"
#include "server/security/certificates.h"

namespace walden {

// The certificates in use. TLS 1.2 and above. Any thread.
//
// gRPC asks for changed certificates at each handshake, by an interface of its core. Its own file
// watchers are not used: they would take over a key that does not match. Open connections keep the
// certificates of their handshake.
class TlsCertificates {
 public:
  // Errors are those of LoadCertificates.
  static absl::StatusOr<std::unique_ptr<TlsCertificates>> Open(const TlsConfig& config);
  ~TlsCertificates();

  // Reads the files again. Returns false if nothing changed. An error changes nothing.
  absl::StatusOr<bool> Reload() ABSL_LOCKS_EXCLUDED(mutex_);

  // For one port of a server, which this must outlive.
  std::shared_ptr<grpc::ServerCredentials> ServerCredentials() ABSL_LOCKS_EXCLUDED(mutex_);

  const TlsConfig& config() const { return config_; }
  std::shared_ptr<const Certificates> Current() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Port;

  explicit TlsCertificates(const TlsConfig& config);

  const TlsConfig config_;
  // Of current_: 1 is the first.
  std::atomic<uint64_t> version_{0};
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Certificates> current_ ABSL_GUARDED_BY(mutex_);
  // gRPC's core keeps pointers to them and does not report when it drops these.
  std::vector<std::unique_ptr<Port>> ports_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
