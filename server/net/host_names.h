// The host names that requests to the metrics port may use.
//
// A web page of another site can make a browser send requests to this port by pointing a DNS name
// of its own at this machine (DNS rebinding). The Host header then has that name and is refused.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace walden {

// Immutable; any thread may use it.
class HostNames {
 public:
  // `listen` are addresses, host:port, whose hosts are allowed; `extra` are names without a port.
  HostNames(const std::vector<std::string>& listen, const std::vector<std::string>& extra);

  // Whether a Host header's value is allowed, with or without a port, in upper or lower case:
  // every IP address, localhost, this machine's host name and the names given above. An empty value
  // is allowed too: browsers always send one.
  bool Allows(absl::string_view host) const;

 private:
  void Add(absl::string_view name);

  std::set<std::string> names_;  // in lower case
};

}  // namespace walden
