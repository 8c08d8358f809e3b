#include "server/security/identity_set.h"

#include <openssl/crypto.h>

#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/sha256.h"

namespace walden {
namespace {

// Far longer than a token of `walden token`. Bounds the bytes that are hashed.
constexpr size_t kMaxTokenBytes = 1024;

uint64_t KeyOf(const Sha256& hash) {
  uint64_t key = 0;
  std::memcpy(&key, hash.data(), sizeof(key));
  return key;
}

absl::Status Unauthenticated(const IdentitySet& identities, absl::string_view problem) {
  return MakeError(
      absl::StatusCode::kUnauthenticated, ErrorReason::kUnauthenticated,
      absl::StrCat(problem, "; send one metadata entry \"authorization: Bearer TOKEN\"",
                   identities.uses_certificates() ? ", or connect with a client certificate that "
                                                    "the daemon's identities file names"
                                                  : ""),
      {{"field", "authorization"}});
}

// The token of "Bearer TOKEN"; empty if the text has another form.
absl::string_view BearerToken(absl::string_view value) {
  constexpr absl::string_view kScheme = "bearer ";
  if (!absl::StartsWithIgnoreCase(value, kScheme)) return {};
  value.remove_prefix(kScheme.size());
  return absl::StripLeadingAsciiWhitespace(value);
}

}  // namespace

IdentitySet::IdentitySet(const std::vector<IdentityConfig>& configs) {
  for (const IdentityConfig& config : configs) {
    limits_[config.name] = config.limits;
    const auto identity = std::make_shared<const Identity>(config);
    for (const Sha256& hash : config.token_hashes)
      by_token_[KeyOf(hash)].push_back({hash, identity});
    for (const std::string& name : config.certificate_names) by_certificate_name_[name] = identity;
  }
}

std::shared_ptr<const Identity> IdentitySet::FindByToken(absl::string_view token) const {
  const Sha256 hash = Sha256Of(token);
  const auto found = by_token_.find(KeyOf(hash));
  if (found == by_token_.end()) return nullptr;
  for (const Token& candidate : found->second) {
    if (CRYPTO_memcmp(candidate.hash.data(), hash.data(), hash.size()) == 0) {
      return candidate.identity;
    }
  }
  return nullptr;
}

std::shared_ptr<const Identity> IdentitySet::FindByCertificateName(absl::string_view name) const {
  const auto found = by_certificate_name_.find(name);
  return found == by_certificate_name_.end() ? nullptr : found->second;
}

absl::StatusOr<std::shared_ptr<const Identity>> Recognise(const IdentitySet& identities,
                                                          const Credentials& credentials) {
  if (credentials.authorization.size() > 1) {
    return Unauthenticated(identities, "there are several metadata entries \"authorization\"");
  }
  if (!credentials.authorization.empty()) {
    const absl::string_view token = BearerToken(credentials.authorization.front());
    if (token.empty() || token.size() > kMaxTokenBytes) {
      return Unauthenticated(identities, "the metadata entry \"authorization\" holds no token");
    }
    std::shared_ptr<const Identity> identity = identities.FindByToken(token);
    if (identity == nullptr) return Unauthenticated(identities, "the token is not known");
    return identity;
  }
  for (const std::string& name : credentials.certificate_names) {
    std::shared_ptr<const Identity> identity = identities.FindByCertificateName(name);
    if (identity != nullptr) return identity;
  }
  return Unauthenticated(identities, credentials.certificate_names.empty()
                                         ? "the call has no credentials"
                                         : "no name of the client certificate is known");
}

}  // namespace walden
