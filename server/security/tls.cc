#include "server/security/tls.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <utility>

#include "absl/time/clock.h"

namespace walden {

// The certificates that one port of gRPC uses.
class TlsCertificates::Port {
 public:
  explicit Port(const TlsCertificates& all) : all_(all) {}

  // gRPC's callback, before each handshake; any thread.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<Port*>(self)->FetchNew(config);
  }

 private:
  grpc_ssl_certificate_config_reload_status FetchNew(grpc_ssl_server_certificate_config** config) {
    const uint64_t version = all_.version_.load(std::memory_order_acquire);
    if (given_.exchange(version) == version) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const std::shared_ptr<const Certificates> certificates = all_.Current();
    const grpc_ssl_pem_key_cert_pair pair = {certificates->key.c_str(),
                                             certificates->chain.c_str()};
    // gRPC needs an authority even if no client certificate is requested.
    const std::string& authorities = certificates->client_authorities.empty()
                                         ? certificates->chain
                                         : certificates->client_authorities;
    *config = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const TlsCertificates& all_;
  std::atomic<uint64_t> given_{0};
};

namespace {

grpc_ssl_client_certificate_request_type RequestType(ClientCertificates wanted) {
  switch (wanted) {
    case ClientCertificates::kNone:
      return GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    case ClientCertificates::kOptional:
      return GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
    case ClientCertificates::kRequired:
      return GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
}

// gRPC's core lets the server change certificates; its C++ interface does not.
class ReloadingServerCredentials final : public grpc::ServerCredentials {
 public:
  // Takes over `credentials`.
  explicit ReloadingServerCredentials(grpc_server_credentials* credentials)
      : credentials_(credentials) {}
  ~ReloadingServerCredentials() override { grpc_server_credentials_release(credentials_); }

  // Callers are authenticated by Call, not here.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TlsCertificates>> TlsCertificates::Open(const TlsConfig& config) {
  std::unique_ptr<TlsCertificates> certificates(new TlsCertificates(config));
  if (absl::Status status = certificates->Reload().status(); !status.ok()) return status;
  return certificates;
}

TlsCertificates::TlsCertificates(const TlsConfig& config) : config_(config) {}

TlsCertificates::~TlsCertificates() = default;

std::shared_ptr<grpc::ServerCredentials> TlsCertificates::ServerCredentials() {
  absl::MutexLock lock(&mutex_);
  ports_.push_back(std::make_unique<Port>(*this));
  return std::make_shared<ReloadingServerCredentials>(
      grpc_ssl_server_credentials_create_with_options(
          grpc_ssl_server_credentials_create_options_using_config_fetcher(
              RequestType(config_.client_certificates), Port::Fetch, ports_.back().get())));
}

absl::StatusOr<bool> TlsCertificates::Reload() {
  absl::StatusOr<Certificates> loaded = LoadCertificates(config_, absl::Now());
  if (!loaded.ok()) return loaded.status();
  {
    absl::MutexLock lock(&mutex_);
    if (current_ != nullptr && current_->SameAs(*loaded)) return false;
    current_ = std::make_shared<const Certificates>(*std::move(loaded));
  }
  // After the certificates, so that a thread that sees the new number gets them.
  version_.fetch_add(1, std::memory_order_release);
  return true;
}

std::shared_ptr<const Certificates> TlsCertificates::Current() const {
  absl::ReaderMutexLock lock(&mutex_);
  return current_;
}

}  // namespace walden
