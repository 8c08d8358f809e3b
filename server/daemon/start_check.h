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

// Finds what a start on this machine would meet: addresses that cannot be listened on, certificates
// and identities that cannot be read, a data directory that cannot be made. Changes nothing, and
// takes addresses and directories that a running daemon holds for free. Each problem begins with
// its setting.
StartCheck CheckStart(const Config& config);

}  // namespace walden
