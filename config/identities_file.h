// The identities file: the callers of the daemon, how they are recognised, and their rights.
//
//   - name: ingest
//     token_sha256: 5e88...           # what `walden token` prints; a list while a token is changed
//     certificate_name: db.example    # and, or instead: a client certificate's DNS name, URI or
//     rules:                          # common name, exactly; or a list of them
//       - namespace: default          # a name, or "*"
//         regions: [1, 100-199]       # a number, a range, a list of both, or "*"
//         rights: [append, read, delete, admin]
//     limits:                         # instead of limits.identity_...; 0: only the daemon's
//       in_flight_bytes: 8MiB
//       calls: 100
//       append_bytes_per_second: 16MiB
//
// Anything unknown, of the wrong type or contradictory is refused with file, line and column; every
// problem is reported. No error repeats a value of token_sha256: somebody may have put a token
// there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/sha256.h"
#include "config/config.h"
#include "engine/types.h"

namespace walden {

struct RegionRange {
  RegionId first = 0;  // both inclusive
  RegionId last = UINT64_MAX;

  bool operator==(const RegionRange&) const = default;
};

// Rights add up over the rules of an identity.
struct IdentityRule {
  NamespaceId namespace_id = 0;  // 0: every namespace, also one that does not exist
  std::vector<RegionRange> regions;
  bool append = false;
  bool read = false;
  bool mark_deleted = false;
  bool admin = false;

  bool operator==(const IdentityRule&) const = default;
};

// Limits of one identity. Limits that are not set are those of the daemon's configuration
// (limits.identity_...).
struct IdentityLimits {
  std::optional<uint64_t> in_flight_bytes;
  std::optional<uint64_t> calls;
  std::optional<uint64_t> append_bytes_per_second;

  bool operator==(const IdentityLimits&) const = default;
};

struct IdentityConfig {
  std::string name;  // unique
  // There is at least one hash or name, and none belongs to another identity.
  std::vector<Sha256> token_hashes;
  std::vector<std::string> certificate_names;
  std::vector<IdentityRule> rules;
  IdentityLimits limits;

  bool operator==(const IdentityConfig&) const = default;
};

// Loads the file. `namespaces` are those that rules may name. INVALID_ARGUMENT: one line per
// problem. NOT_FOUND, PERMISSION_DENIED, ...: the file cannot be read.
absl::StatusOr<std::vector<IdentityConfig>> LoadIdentities(
    const std::string& file, const std::vector<NamespaceConfig>& namespaces);

// Loads `text` as the contents of a file called `file_name`.
absl::StatusOr<std::vector<IdentityConfig>> LoadIdentitiesText(
    absl::string_view text, absl::string_view file_name,
    const std::vector<NamespaceConfig>& namespaces);

}  // namespace walden
