// Reads and checks the files that TLS needs, before they are used.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "config/config.h"

namespace walden {

// A certificate chain, its key and the authorities of clients, which were checked together.
struct Certificates {
  // PEM.
  std::string chain;  // the daemon's own certificate first
  std::string key;
  std::string client_authorities;  // empty: none

  // Of the daemon's own certificate.
  std::string subject;
  absl::Time not_after;
  std::string sha256;  // fingerprint, hexadecimal

  // Warnings, such as "security.tls.key_file: ... can be read by every user".
  std::vector<std::string> warnings;

  bool SameAs(const Certificates& other) const {
    return chain == other.chain && key == other.key &&
           client_authorities == other.client_authorities;
  }
};

// INVALID_ARGUMENT names field, file and what is wrong: not PEM, expired at `now` or not valid yet,
// a key with a passphrase, a key that is not the certificate's, or what OpenSSL refuses to use.
// NOT_FOUND, PERMISSION_DENIED, ...: a file cannot be read. No error holds any of the key.
absl::StatusOr<Certificates> LoadCertificates(const TlsConfig& config, absl::Time now);

}  // namespace walden
