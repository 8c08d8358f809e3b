// Checks a start beyond its configuration: addresses, certificates, identities, data directory.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace walden {

struct StartCheck {
  std::vector<std::string> refused;        // a start would fail
  std::vector<std::string> worked_around;  // a start would report it and go on without
};

// Finds the problems that a start on this machine would have: addresses that cannot be listened on,
// certificates and identities that cannot be read, a data directory that cannot be made. Addresses
// and directories that a running daemon holds are no problem. Changes nothing. Each problem begins
// with its setting.
StartCheck CheckStart(const Config& config);

}  // namespace walden
