// The identities that the daemon uses now: loaded at the start and again when the file changes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "config/config.h"
#include "server/security/access_control.h"
#include "server/security/identity_set.h"

namespace walden {

class IdentitiesInUse final : public AccessControl {
 public:
  // Errors are those of LoadIdentities.
  static absl::StatusOr<std::unique_ptr<IdentitiesInUse>> Open(
      std::string file, std::vector<NamespaceConfig> namespaces);

  absl::StatusOr<std::shared_ptr<const Identity>> Recognise(
      const grpc::ServerContextBase& call) const override;
  uint64_t generation() const override { return generation_.load(std::memory_order_acquire); }

  // Reads the file again. An error changes nothing. Any thread.
  absl::Status Reload() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string& file() const { return file_; }
  size_t size() const { return Current()->size(); }
  // Of every identity, by name.
  std::map<std::string, IdentityLimits> limits() const { return Current()->limits(); }

 private:
  IdentitiesInUse(std::string file, std::vector<NamespaceConfig> namespaces)
      : file_(std::move(file)), namespaces_(std::move(namespaces)) {}

  std::shared_ptr<const IdentitySet> Current() const ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string file_;
  const std::vector<NamespaceConfig> namespaces_;
  std::atomic<uint64_t> generation_{0};
  mutable absl::Mutex mutex_;
  std::shared_ptr<const IdentitySet> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
