// `walden status`.
#pragma once

#include "cli/session.h"

namespace walden::cli {

void AddStatusCommand(CLI::App& app, Program& program);

}  // namespace walden::cli
