#include "server/security/guard.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/log/logging.h"

namespace walden {
namespace {

constexpr absl::Duration kLookInterval = absl::Seconds(1);

// Whether a load failed for a temporary cause: neither the files' contents nor missing files.
bool MayPass(const absl::Status& loaded) {
  return !loaded.ok() && !absl::IsInvalidArgument(loaded) && !absl::IsNotFound(loaded) &&
         !absl::IsPermissionDenied(loaded);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Guard>> Guard::Start(const Config& config) {
  std::unique_ptr<Guard> security(new Guard());
  const TlsConfig& tls = config.security.tls;
  const std::string& identities_file = config.security.identities_file;
  absl::MutexLock lock(&security->mutex_);
  // The watches begin before the files are read, so that no change in between is missed.
  security->certificate_files_ = std::make_unique<FileWatch>(
      std::vector<std::string>{tls.certificate_file, tls.key_file, tls.client_ca_file});
  security->identities_file_ =
      std::make_unique<FileWatch>(std::vector<std::string>{identities_file});
  if (tls.enabled()) {
    absl::StatusOr<std::unique_ptr<TlsCertificates>> opened = TlsCertificates::Open(tls);
    if (!opened.ok()) return opened.status();
    security->tls_ = *std::move(opened);
    security->LogCertificates();
  }
  if (!identities_file.empty()) {
    absl::StatusOr<std::unique_ptr<IdentitiesInUse>> opened =
        IdentitiesInUse::Open(identities_file, config.namespaces);
    if (!opened.ok()) {
      return absl::Status(opened.status().code(),
                          absl::StrCat("security.identities_file: ", opened.status().message()));
    }
    security->identities_ = *std::move(opened);
    security->LogIdentities();
  }
  return security;
}

Guard::~Guard() = default;

absl::Status Guard::Reload() {
  absl::MutexLock lock(&mutex_);
  absl::Status status = ReloadCertificates();
  status.Update(ReloadIdentities());
  return status;
}

void Guard::Watch(std::function<void()> access_changed) {
  if (tls_ == nullptr && identities_ == nullptr) return;
  {
    absl::MutexLock lock(&mutex_);
    access_changed_ = std::move(access_changed);
  }
  ticker_ = std::make_unique<Ticker>(kLookInterval, [this] { Look(); });
}

void Guard::StopWatching() {
  ticker_ = nullptr;
  absl::MutexLock lock(&mutex_);
  access_changed_ = nullptr;
}

void Guard::Look() {
  absl::MutexLock lock(&mutex_);
  // Errors were logged. A temporary one must not delay a revocation until the next change.
  if (certificate_files_->Changed() && MayPass(ReloadCertificates())) {
    certificate_files_->TellAgain();
  }
  if (identities_file_->Changed() && MayPass(ReloadIdentities())) identities_file_->TellAgain();
}

absl::Status Guard::ReloadCertificates() {
  if (tls_ == nullptr) return absl::OkStatus();
  const absl::StatusOr<bool> changed = tls_->Reload();
  if (!changed.ok()) {
    state_.certificate_refusals.fetch_add(1, std::memory_order_relaxed);
    Log(LogSeverity::kError, "TLS certificate refused, the old one stays in use",
        {{"error", changed.status().message()}});
    return changed.status();
  }
  if (*changed) LogCertificates();
  return absl::OkStatus();
}

absl::Status Guard::ReloadIdentities() {
  if (identities_ == nullptr) return absl::OkStatus();
  if (absl::Status status = identities_->Reload(); !status.ok()) {
    state_.identity_refusals.fetch_add(1, std::memory_order_relaxed);
    Log(LogSeverity::kError, "identities refused, the old ones stay in use",
        {{"error", status.message()}});
    return status;
  }
  LogIdentities();
  if (access_changed_) access_changed_();
  return absl::OkStatus();
}

void Guard::LogCertificates() {
  const std::shared_ptr<const Certificates> certificates = tls_->Current();
  state_.certificate_loads.fetch_add(1, std::memory_order_relaxed);
  state_.certificate_expiry_unix_seconds.store(absl::ToUnixSeconds(certificates->not_after));
  Log(LogSeverity::kInfo, "TLS certificate loaded",
      {{"file", tls_->config().certificate_file},
       {"subject", certificates->subject},
       {"not_after", absl::FormatTime(certificates->not_after, absl::UTCTimeZone())},
       {"sha256", certificates->sha256}});
  for (const std::string& warning : certificates->warnings) {
    Log(LogSeverity::kWarning, "TLS files", {{"problem", warning}});
  }
}

void Guard::LogIdentities() {
  const uint64_t count = identities_->size();
  state_.identity_loads.fetch_add(1, std::memory_order_relaxed);
  state_.identities.store(count);
  Log(LogSeverity::kInfo, "identities loaded",
      {{"file", identities_->file()}, {"identities", count}});
  struct stat file {};
  if (::stat(identities_->file().c_str(), &file) == 0 && (file.st_mode & S_IWOTH) != 0) {
    Log(LogSeverity::kWarning, "every user of this machine can change the identities file",
        {{"file", identities_->file()}});
  }
}

}  // namespace walden
