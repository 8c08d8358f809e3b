// Completion scripts of shells, made from the help texts of a program with subcommands. They
// complete commands, options, and the names of files and directories where an option takes one.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace walden::reference {

std::string BashCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);
std::string FishCompletion(const CLI::App& app);

}  // namespace walden::reference
