#include "server/security/identities_in_use.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "config/identities_file.h"

namespace walden {
namespace {

void AddNames(const grpc::AuthContext& connection, const char* property,
              std::vector<std::string>& names) {
  for (const grpc::string_ref& name : connection.FindPropertyValues(property)) {
    names.emplace_back(name.data(), name.size());
  }
}

Credentials CredentialsOf(const grpc::ServerContextBase& call) {
  Credentials credentials;
  const auto [first, last] = call.client_metadata().equal_range("authorization");
  for (auto entry = first; entry != last; ++entry) {
    credentials.authorization.emplace_back(entry->second.data(), entry->second.size());
  }
  if (!credentials.authorization.empty()) return credentials;
  const std::shared_ptr<const grpc::AuthContext> connection = call.auth_context();
  // Only verified certificates get here: others fail the handshake.
  if (connection == nullptr || !connection->IsPeerAuthenticated()) return credentials;
  AddNames(*connection, GRPC_PEER_DNS_PROPERTY_NAME, credentials.certificate_names);
  AddNames(*connection, GRPC_PEER_URI_PROPERTY_NAME, credentials.certificate_names);
  AddNames(*connection, GRPC_X509_CN_PROPERTY_NAME, credentials.certificate_names);
  return credentials;
}

}  // namespace

absl::StatusOr<std::unique_ptr<IdentitiesInUse>> IdentitiesInUse::Open(
    std::string file, std::vector<NamespaceConfig> namespaces) {
  std::unique_ptr<IdentitiesInUse> identities(
      new IdentitiesInUse(std::move(file), std::move(namespaces)));
  if (absl::Status status = identities->Reload(); !status.ok()) return status;
  return identities;
}

absl::StatusOr<std::shared_ptr<const Identity>> IdentitiesInUse::Recognise(
    const grpc::ServerContextBase& call) const {
  return walden::Recognise(*Current(), CredentialsOf(call));
}

absl::Status IdentitiesInUse::Reload() {
  const absl::StatusOr<std::vector<IdentityConfig>> loaded = LoadIdentities(file_, namespaces_);
  if (!loaded.ok()) return loaded.status();
  auto set = std::make_shared<const IdentitySet>(*loaded);
  {
    absl::MutexLock lock(&mutex_);
    current_ = std::move(set);
  }
  // After the set, so that a thread that sees the new number sees the new set.
  generation_.fetch_add(1, std::memory_order_release);
  return absl::OkStatus();
}

std::shared_ptr<const IdentitySet> IdentitiesInUse::Current() const {
  absl::ReaderMutexLock lock(&mutex_);
  return current_;
}

}  // namespace walden
