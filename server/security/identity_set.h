// Authenticates callers by the entries of the identities file.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "config/identities_file.h"
#include "server/security/identity.h"

namespace walden {

// All identities of one version of the file. Immutable; any thread.
class IdentitySet {
 public:
  explicit IdentitySet(const std::vector<IdentityConfig>& configs);

  // Null for an unknown token. The time does not depend on the characters that it shares with a
  // known one: the tokens' hashes are compared, in constant time.
  std::shared_ptr<const Identity> FindByToken(absl::string_view token) const;
  std::shared_ptr<const Identity> FindByCertificateName(absl::string_view name) const;

  size_t size() const { return limits_.size(); }
  // Of each identity, by name.
  const std::map<std::string, IdentityLimits>& limits() const { return limits_; }
  // Whether any identity has a certificate name.
  bool uses_certificates() const { return !by_certificate_name_.empty(); }

 private:
  struct Token {
    Sha256 hash;
    std::shared_ptr<const Identity> identity;
  };

  std::map<std::string, IdentityLimits> limits_;
  // By the first bytes of the hash.
  absl::flat_hash_map<uint64_t, std::vector<Token>> by_token_;
  absl::flat_hash_map<std::string, std::shared_ptr<const Identity>> by_certificate_name_;
};

// The credentials of a call.
struct Credentials {
  // Values of the metadata `authorization`, in the order sent.
  std::vector<absl::string_view> authorization;
  // Of the verified client certificate: DNS names and URIs, then the common name.
  std::vector<std::string> certificate_names;
};

// If a token was sent it decides alone: a wrong token is refused whatever the certificate is. The
// message of UNAUTHENTICATED lists accepted credentials and repeats nothing that was sent.
absl::StatusOr<std::shared_ptr<const Identity>> Recognise(const IdentitySet& identities,
                                                          const Credentials& credentials);

}  // namespace walden
