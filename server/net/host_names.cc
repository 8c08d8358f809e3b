#include "server/net/host_names.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace walden {
namespace {

// "walden.example:7071" -> "walden.example", "[::1]:7071" -> "::1".
absl::string_view WithoutPort(absl::string_view host) {
  if (absl::ConsumePrefix(&host, "[")) return host.substr(0, host.find(']'));
  return host.substr(0, host.find(':'));
}

bool IsAddress(const std::string& name) {
  in6_addr address;  // large enough for either
  return ::inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

}  // namespace

HostNames::HostNames(const std::vector<std::string>& listen,
                     const std::vector<std::string>& extra) {
  Add("localhost");
  char own[HOST_NAME_MAX + 1] = {};
  if (::gethostname(own, sizeof(own) - 1) == 0) Add(own);
  for (const std::string& address : listen) Add(WithoutPort(address));
  for (const std::string& name : extra) Add(name);
}

void HostNames::Add(absl::string_view name) {
  if (!name.empty()) names_.insert(absl::AsciiStrToLower(absl::StripSuffix(name, ".")));
}

bool HostNames::Allows(absl::string_view host) const {
  if (host.empty()) return true;
  const std::string name = absl::AsciiStrToLower(absl::StripSuffix(WithoutPort(host), "."));
  return names_.count(name) > 0 || IsAddress(name) || absl::EndsWith(name, ".localhost");
}

}  // namespace walden
