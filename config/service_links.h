// Recognises the environment variables that Kubernetes sets in every pod for the services beside
// it.
#pragma once

#include "absl/strings/string_view.h"

namespace walden {

// Whether a variable has the shape of a service link, whatever the service's name is:
//
//   NAME_SERVICE_HOST                        an address
//   NAME_SERVICE_PORT, NAME_SERVICE_PORT_X   a port number
//   NAME_PORT                                a URL, tcp://10.96.0.1:7070
//   NAME_PORT_7070_TCP                       the same; also UDP and SCTP
//   NAME_PORT_7070_TCP_PROTO, ..._PORT and ..._ADDR
//
// The value is checked too, since the name alone could be a misspelt setting.
bool IsServiceLink(absl::string_view variable, absl::string_view value);

}  // namespace walden
